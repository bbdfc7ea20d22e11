/*
 * The one way between BSON bytes and the documents the semantics work on.
 * Before it: wire messages and stored values; after it: matcher, update, projection, pipeline.
 */
import { DBRef, deserialize, serialize } from "bson";
import { EngineError } from "../engine-error.js";

/** Numbers, ObjectIds, dates and the like keep their BSON type; see `kindOf` for the full list of shapes. */
export type Doc = Record<string, unknown>;

/** MongoDB's own limit of nesting; deeper documents would overflow the stack of a recursive walk. */
const NESTING_MAX = 180;
const DBREF_MARK = Buffer.from("$ref\0");

/**
 * Shape: as `bson.deserialize` without promotion: `Int32`, `Long`, `Double` stay instances.
 * Binary values share memory with `bytes`, so the caller must not reuse that buffer.
 * Field names that look like array indexes come first, as in every JavaScript object.
 * Throws EngineError 22 InvalidBSON.
 */
export function decode(bytes: Uint8Array): Doc {
  let doc: Doc;
  try {
    doc = deserialize(bytes, {
      promoteValues: false,
      promoteBuffers: false,
      promoteLongs: false,
      bsonRegExp: true,
      raw: false,
    });
  } catch (error) {
    throw new EngineError(22, "InvalidBSON", `Got bytes that are no valid BSON document: ${messageOf(error)}`);
  }
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // js-bson turns {$ref, $id} into a class of its own; to a server it is a document like any other.
  return view.includes(DBREF_MARK) ? (withoutDbRefs(doc) as Doc) : doc;
}

/** Throws EngineError 22 InvalidBSON for what BSON cannot hold, such as a NUL byte in a field name. */
export function encode(doc: Doc): Buffer {
  try {
    const bytes = serialize(doc, { ignoreUndefined: true });
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  } catch (error) {
    throw new EngineError(22, "InvalidBSON", `Got a document that BSON cannot hold: ${messageOf(error)}`);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function withoutDbRefs(value: unknown, depth = 0): unknown {
  if (depth > NESTING_MAX) throw new EngineError(15, "Overflow", `Got a document nested deeper than ${NESTING_MAX} levels`);
  if (Array.isArray(value)) return value.map((item) => withoutDbRefs(item, depth + 1));
  if (value instanceof DBRef) {
    const doc: Doc = { $ref: value.collection, $id: value.oid };
    if (value.db !== undefined) doc["$db"] = value.db;
    return withoutDbRefs({ ...doc, ...value.fields }, depth + 1);
  }
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  const copy: Doc = { ...(value as Doc) };
  for (const [key, item] of Object.entries(copy)) {
    Object.defineProperty(copy, key, { value: withoutDbRefs(item, depth + 1), writable: true, enumerable: true, configurable: true });
  }
  return copy;
}
