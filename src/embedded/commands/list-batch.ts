/*
 * The batch size of commands whose results are short lists: everything, unless `cursor.batchSize` says less.
 */
import { nonNegativeInteger, optionalDoc } from "../engine/values.js";
import type { Doc } from "../semantics/bson-codec.js";

export function cursorBatchSize(body: Doc): number {
  return nonNegativeInteger(optionalDoc(body, "cursor") ?? {}, "batchSize") ?? Number.POSITIVE_INFINITY;
}
