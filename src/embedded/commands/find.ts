import { EngineError } from "../engine-error.js";
import { prepareRead, readSorted, type Found, type PreparedRead } from "../engine/collection-reader.js";
import { notServed } from "../engine/errors.js";
import { withoutFields } from "../engine/raw-fields.js";
import { flag, nonNegativeInteger, optionalDoc, optionalInteger } from "../engine/values.js";
import { encode, type Doc } from "../semantics/bson-codec.js";
import { compileMatcher } from "../semantics/matcher.js";
import { compileProjection } from "../semantics/projection.js";
import { encodeCursorReply } from "../wire/cursor-reply.js";
import { Long } from "bson";
import { batchSizeOf, firstBatch } from "./batch.js";
import { collectionName, namespaceOf, readUnit, type Command, type CommandContext } from "./command.js";
import { droppedFields } from "./dropped-fields.js";
import { hintOf, refuseCollation } from "./query-options.js";

export const find: Command = {
  name: "find",
  fields: ["filter", "sort", "projection", "hint", "skip", "limit", "batchSize", "singleBatch", "let", "collation", "allowDiskUse", "noCursorTimeout", "returnKey", "showRecordId", "min", "max", "tailable", "awaitData", "allowPartialResults", "oplogReplay"],
  inTransaction: true,
  served: "filter, sort, projection, hint, skip, limit, batchSize, singleBatch, let; refused: collation, tailable, min, max, returnKey, showRecordId",
  run: async (context) => {
    const name = collectionName(context, "find");
    const read = prepareFind(context, name);
    const namespace = namespaceOf(context, name);
    if (!read) return encodeCursorReply({ id: Long.ZERO, namespace, batchName: "firstBatch", documents: [] });
    const singleBatch = flag(context.body, "singleBatch");
    return firstBatch(context, namespace, read.bytes, { batchSize: batchSizeOf(context.body), singleBatch });
  },
};

export interface FindResult {
  read: PreparedRead;
  /** Undefined: a step that found nothing. */
  bytes: Iterable<Buffer | undefined>;
}

/** Undefined when there is no such collection; the query is checked all the same. */
export function prepareFind(context: CommandContext, name: string, stats?: { keysExamined: number; docsExamined: number }): FindResult | undefined {
  const { body } = context;
  refuseUnserved(body);
  const filter = optionalDoc(body, "filter") ?? {};
  const projection = optionalDoc(body, "projection");
  const project = projection && Object.keys(projection).length > 0 ? compileProjection(projection) : undefined;
  const request = { filter, sort: optionalDoc(body, "sort"), hint: hintOf(body), let: optionalDoc(body, "let"), ...(stats ? { stats } : {}) };
  const skip = nonNegativeInteger(body, "skip") ?? 0;
  // A negative limit is the old way to say "one batch".
  const limit = Math.abs(optionalInteger(body, "limit") ?? 0) || Number.POSITIVE_INFINITY;
  const unit = readUnit(context);
  const collection = unit?.database.catalog.get(name);
  if (!unit || !collection) {
    compileMatcher(filter);
    return undefined;
  }
  const read = prepareRead(unit, collection, request);
  const dropped = projection && droppedFields(projection);
  const bytesFrom = (found: Found): Buffer => (dropped && withoutFields(found.bytes, dropped)) ?? (project ? encode(project(found.doc)) : found.bytes);
  return { read, bytes: bytesOf(read, skip, limit, bytesFrom) };
}

function* bytesOf(read: PreparedRead, skip: number, limit: number, bytesFrom: (found: Found) => Buffer): Generator<Buffer | undefined> {
  let at = 0;
  for (const found of readSorted(read)) {
    if (found) at += 1;
    if (!found || at <= skip) {
      yield undefined;
      continue;
    }
    yield bytesFrom(found);
    if (at - skip >= limit) return;
  }
}

function refuseUnserved(body: Doc): void {
  refuseCollation(body);
  for (const option of ["tailable", "awaitData", "returnKey", "showRecordId", "oplogReplay"]) {
    if (flag(body, option)) throw notServed(`find with '${option}'`);
  }
  for (const option of ["min", "max"]) if (body[option] !== undefined) throw notServed(`find with '${option}'`);
  if (body["filter"] === null) throw new EngineError(14, "TypeMismatch", "BSON field 'find.filter' is the wrong type 'null', expected type 'object'");
}
