/*
 * Every stored document starts with its `_id`, as on a server.
 * Before it: inserts and upserts; after it: document-writer.ts.
 */
import { BSONRegExp, ObjectId } from "bson";
import { EngineError } from "../engine-error.js";
import type { Doc } from "../semantics/bson-codec.js";

/** `moved` tells that the bytes the document came in no longer say the same. Throws EngineError 53 InvalidIdField. */
export function withId(doc: Doc): { doc: Doc; moved: boolean } {
  const id = doc["_id"];
  if (id === undefined) return { doc: { _id: new ObjectId(), ...doc }, moved: true };
  if (Array.isArray(id)) throw new EngineError(53, "InvalidIdField", "The '_id' value cannot be of type array");
  if (id instanceof BSONRegExp) throw new EngineError(53, "InvalidIdField", "The '_id' value cannot be of type regex");
  if (Object.keys(doc)[0] === "_id") return { doc, moved: false };
  const { _id: _, ...rest } = doc;
  return { doc: { _id: id, ...rest }, moved: true };
}
