/*
 * The key layout of one database file: every key starts with a byte naming its space.
 * Before it: semantics/key-encoding.ts; after it: database-file.ts and all that reads or writes it.
 */
import { createHash } from "node:crypto";
import { encodeKey } from "../semantics/key-encoding.js";

const CATALOG = 1;
const DOCUMENT = 2;
const INDEX = 3;
const SESSION = 4;
const VECTOR = 5;
const META = 6;
const USER = 7;

/** LMDB refuses keys over 1,978 bytes: 5 of prefix + 1,100 + 32 of tuple + 700 + 32 of `_id` stay below. */
export const TUPLE_BYTES_MAX = 1_100;
const ID_BYTES_MAX = 700;

/** A tail replaced by its SHA-256 keeps keys distinct; their order among equal heads is lost, so `hashed` is told. */
export function boundedKey(encoded: Buffer, bytesMax: number): { bytes: Buffer; hashed: boolean } {
  if (encoded.length <= bytesMax) return { bytes: encoded, hashed: false };
  const digest = createHash("sha256").update(encoded).digest();
  return { bytes: Buffer.concat([encoded.subarray(0, bytesMax), digest]), hashed: true };
}

/** The part of a key that stands for the document's `_id`. */
export function idKeyOf(id: unknown): { bytes: Buffer; hashed: boolean } {
  return boundedKey(encodeKey([id]), ID_BYTES_MAX);
}

/** A bound on `_id` that never excludes a hashed key: cut, not hashed. */
export function idBound(encoded: Buffer): Buffer {
  return encoded.length <= ID_BYTES_MAX ? encoded : encoded.subarray(0, ID_BYTES_MAX);
}

export function tupleBound(encoded: Buffer): Buffer {
  return encoded.length <= TUPLE_BYTES_MAX ? encoded : encoded.subarray(0, TUPLE_BYTES_MAX);
}

export function documentPrefix(collectionId: number): Buffer {
  return numbered(DOCUMENT, collectionId);
}

export function documentKey(collectionId: number, idKey: Uint8Array): Buffer {
  return Buffer.concat([documentPrefix(collectionId), idKey]);
}

export function indexPrefix(indexId: number): Buffer {
  return numbered(INDEX, indexId);
}

export function vectorPrefix(indexId: number): Buffer {
  return numbered(VECTOR, indexId);
}

/** Keys of vector/ start with the index's number, as `vectorPrefix` does. */
export function vectorSpaceKey(key: Buffer): Buffer {
  return Buffer.concat([Buffer.from([VECTOR]), key]);
}

export function catalogKey(collection: string): Buffer {
  return Buffer.concat([Buffer.from([CATALOG]), Buffer.from(collection, "utf8")]);
}

export function catalogRange(): { start: Buffer; end: Buffer } {
  return { start: Buffer.from([CATALOG]), end: Buffer.from([CATALOG + 1]) };
}

export function sessionKey(lsid: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([SESSION]), lsid]);
}

export function sessionRange(): { start: Buffer; end: Buffer } {
  return { start: Buffer.from([SESSION]), end: Buffer.from([SESSION + 1]) };
}

export function metaKey(name: string): Buffer {
  return Buffer.concat([Buffer.from([META]), Buffer.from(name, "utf8")]);
}

/** In the admin database's file alone. */
export function storedUserKey(user: string): Buffer {
  return Buffer.concat([Buffer.from([USER]), Buffer.from(user, "utf8")]);
}

export function storedUserRange(): { start: Buffer; end: Buffer } {
  return { start: Buffer.from([USER]), end: Buffer.from([USER + 1]) };
}

/** The least key above every key that starts with `prefix`. */
export function successor(prefix: Uint8Array): Buffer {
  const bytes = Buffer.from(prefix);
  for (let at = bytes.length - 1; at >= 0; at -= 1) {
    const byte = bytes[at] ?? 0;
    if (byte < 0xff) {
      bytes[at] = byte + 1;
      return bytes.subarray(0, at + 1);
    }
  }
  // Unreachable for our keys: the first byte names a space and is at most 7.
  return Buffer.concat([bytes, Buffer.from([0xff])]);
}

/** Map keys must be strings; latin1 is injective on bytes and the cheapest to make. */
export function keyText(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1");
}

function numbered(space: number, id: number): Buffer {
  const prefix = Buffer.allocUnsafe(5);
  prefix[0] = space;
  prefix.writeUInt32BE(id, 1);
  return prefix;
}
