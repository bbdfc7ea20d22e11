/*
 * Cursor replies put together from stored bytes: documents go from the file to the socket without being decoded.
 * Before it: find, aggregate, getMore; after it: message.ts. Spec: "BSON 1.1", element and document layout.
 */
import { Long } from "bson";
import { encode } from "../semantics/bson-codec.js";

const TYPE_DOCUMENT = 3;
const TYPE_ARRAY = 4;

export interface CursorBatch {
  id: Long;
  namespace: string;
  batchName: "firstBatch" | "nextBatch";
  documents: readonly Buffer[];
}

/** `{ cursor: { <batchName>: [...], id, ns }, ok: 1 }` as bytes. */
export function encodeCursorReply(batch: CursorBatch): Buffer {
  const rest = inner(encode({ id: batch.id, ns: batch.namespace }));
  const cursor = wrap([...element(TYPE_ARRAY, batch.batchName, arrayOf(batch.documents)), rest]);
  return Buffer.concat(wrap([...element(TYPE_DOCUMENT, "cursor", cursor), inner(encode({ ok: 1 }))]));
}

function arrayOf(documents: readonly Buffer[]): Buffer[] {
  return wrap(documents.flatMap((document, at) => element(TYPE_DOCUMENT, String(at), [document])));
}

function element(type: number, name: string, value: readonly Buffer[]): Buffer[] {
  return [Buffer.from([type]), Buffer.from(`${name}\0`, "utf8"), ...value];
}

/** A document's elements without its length and terminator. */
function inner(document: Buffer): Buffer {
  return document.subarray(4, -1);
}

function wrap(parts: readonly Buffer[]): Buffer[] {
  const length = Buffer.alloc(4);
  length.writeInt32LE(parts.reduce((sum, part) => sum + part.length, 5));
  return [length, ...parts, Buffer.from([0])];
}
