/*
 * The one way between BSON bytes and the documents the semantics work on.
 * Before it: wire messages and stored values; after it: matcher, update, projection, pipeline.
 */
import { DBRef, deserialize, serialize } from "bson";
import { EngineError } from "../engine-error.js";

/** Numbers, ObjectIds, dates and the like keep their BSON type; see `kindOf` for the full list of shapes. */
export type Doc = Record<string, unknown>;

/** As in the server. Every walk over a document recurses, so a deeper one would overflow the stack. */
const NESTING_MAX = 200;
/** A level takes at least its type, an empty name, its length and its end. */
const LEVEL_BYTES_MIN = 7;
const DBREF_MARK = Buffer.from("$ref\0");

/**
 * Shape: as `bson.deserialize` without promotion: `Int32`, `Long`, `Double` stay instances.
 * Binary values share memory with `bytes`, so the caller must not reuse that buffer.
 * Field names that look like array indexes come first, as in every JavaScript object.
 * Throws EngineError 22 InvalidBSON, and 15 Overflow for more than 200 levels of nesting.
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
  if (bytes.byteLength > NESTING_MAX * LEVEL_BYTES_MIN) refuseDeepNesting(doc);
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

/** For documents made here, by updates: one stored too deep could never be read again. Throws EngineError 15 Overflow. */
export function refuseDeepNesting(doc: Doc): void {
  if (isDeeperThan(doc, NESTING_MAX)) throw new EngineError(15, "Overflow", `BSONObj exceeded maximum nested object depth: ${NESTING_MAX}`);
}

function isDeeperThan(container: object, levels: number): boolean {
  if (levels < 0) return true;
  for (const item of Array.isArray(container) ? (container as unknown[]) : Object.values(container)) {
    if (isContainer(item) && isDeeperThan(item, levels - 1)) return true;
  }
  return false;
}

/** Documents, arrays, and DBRefs, whose fields can hold both. */
function isContainer(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  return Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype || value instanceof DBRef;
}

function withoutDbRefs(value: unknown): unknown {
  if (!isContainer(value)) return value;
  if (Array.isArray(value)) return value.map(withoutDbRefs);
  const copy: Doc = value instanceof DBRef ? plainReference(value) : { ...(value as Doc) };
  for (const [key, item] of Object.entries(copy)) {
    // Not an assignment, which would take `__proto__` for the prototype.
    Object.defineProperty(copy, key, { value: withoutDbRefs(item), writable: true, enumerable: true, configurable: true });
  }
  return copy;
}

function plainReference({ collection, oid, db, fields }: DBRef): Doc {
  return { $ref: collection, $id: oid, ...(db !== undefined && { $db: db }), ...fields };
}
