/*
 * MongoDB wire messages: OP_MSG in and out, and the OP_QUERY hello some drivers open with.
 * Before it: bytes of a socket; after it: connection.ts. Specs: "OP_MSG", "MongoDB Handshake".
 */
import { decode, encode, type Doc } from "../semantics/bson-codec.js";

export const HEADER_BYTES = 16;
/** `maxMessageSizeBytes` of hello. */
export const MESSAGE_BYTES_MAX = 48_000_000;

const OP_REPLY = 1;
const OP_QUERY = 2004;
const OP_MSG = 2013;
const CHECKSUM_PRESENT = 1;
const MORE_TO_COME = 2;
/** Bits 0 to 15 must be understood or refused; 16 (exhaustAllowed) may be ignored. */
const REQUIRED_BITS = 0xffff;
const CHECKSUM_BYTES = 4;
/** An empty BSON document: length and terminator. */
const DOCUMENT_BYTES_MIN = 5;

export interface Request {
  requestId: number;
  opCode: "msg" | "query";
  body: Doc;
  /** Kind 1 sections by name: documents as they came. */
  sequences: ReadonlyMap<string, Buffer[]>;
  /** An unacknowledged write: nothing may be sent back. */
  expectsReply: boolean;
}

/** Bytes that are no message we read; the connection is answered once, where possible, and closed. */
export class MalformedMessage extends Error {
  constructor(
    message: string,
    readonly requestId: number,
  ) {
    super(message);
    this.name = "MalformedMessage";
  }
}

/** `bytes` is one whole message. Throws MalformedMessage or EngineError 22 InvalidBSON. */
export function parseMessage(bytes: Buffer): Request {
  const requestId = bytes.readInt32LE(4);
  const opCode = bytes.readInt32LE(12);
  try {
    if (opCode === OP_MSG) return parseMsg(bytes, requestId);
    if (opCode === OP_QUERY) return parseQuery(bytes, requestId);
  } catch (error) {
    if (error instanceof RangeError) throw new MalformedMessage("Got a message that ends too early", requestId);
    throw error;
  }
  throw new MalformedMessage(`Got opcode ${opCode}, expected ${OP_MSG} (OP_MSG)`, requestId);
}

function parseMsg(bytes: Buffer, requestId: number): Request {
  const flags = bytes.readUInt32LE(HEADER_BYTES);
  const unknown = flags & REQUIRED_BITS & ~(CHECKSUM_PRESENT | MORE_TO_COME);
  if (unknown !== 0) throw new MalformedMessage(`Got unknown OP_MSG flags ${unknown}`, requestId);
  const end = bytes.length - (flags & CHECKSUM_PRESENT ? CHECKSUM_BYTES : 0);
  const sequences = new Map<string, Buffer[]>();
  let body: Doc | undefined;
  for (let at = HEADER_BYTES + 4; at < end; ) {
    const kind = bytes.readUInt8(at);
    at += 1;
    if (kind === 0) {
      if (body) throw new MalformedMessage("Got two body sections", requestId);
      const document = takeDocument(bytes, at, end, requestId);
      body = decode(document);
      at += document.length;
    } else if (kind === 1) {
      at = takeSequence(bytes, at, end, requestId, sequences);
    } else throw new MalformedMessage(`Got a section of kind ${kind}, expected 0 or 1`, requestId);
  }
  if (!body) throw new MalformedMessage("Got a message without a body section", requestId);
  return { requestId, opCode: "msg", body, sequences, expectsReply: (flags & MORE_TO_COME) === 0 };
}

function takeSequence(bytes: Buffer, start: number, limit: number, requestId: number, sequences: Map<string, Buffer[]>): number {
  const end = start + bytes.readInt32LE(start);
  const nameEnd = bytes.indexOf(0, start + 4);
  if (end > limit || end <= start + 4 || nameEnd === -1 || nameEnd >= end) throw new MalformedMessage("Got a document sequence of a wrong size", requestId);
  const name = bytes.toString("utf8", start + 4, nameEnd);
  if (sequences.has(name)) throw new MalformedMessage(`Got the document sequence '${name}' twice`, requestId);
  const documents: Buffer[] = [];
  for (let at = nameEnd + 1; at < end; ) {
    const document = takeDocument(bytes, at, end, requestId);
    documents.push(document);
    at += document.length;
  }
  sequences.set(name, documents);
  return end;
}

function takeDocument(bytes: Buffer, at: number, end: number, requestId: number): Buffer {
  const length = bytes.readInt32LE(at);
  if (length < DOCUMENT_BYTES_MIN || at + length > end) throw new MalformedMessage(`Got a document of ${length} bytes where ${end - at} are left`, requestId);
  return bytes.subarray(at, at + length);
}

function parseQuery(bytes: Buffer, requestId: number): Request {
  const nameEnd = bytes.indexOf(0, HEADER_BYTES + 4);
  if (nameEnd === -1) throw new MalformedMessage("Got a namespace without an end", requestId);
  const namespace = bytes.toString("utf8", HEADER_BYTES + 4, nameEnd);
  if (!namespace.endsWith(".$cmd")) throw new MalformedMessage(`Got a query on '${namespace}', expected a command in OP_MSG`, requestId);
  const body = decode(takeDocument(bytes, nameEnd + 9, bytes.length, requestId));
  body["$db"] = namespace.slice(0, -".$cmd".length);
  return { requestId, opCode: "query", body, sequences: new Map(), expectsReply: true };
}

/** `body` is a document, or one already encoded. */
export function formatReply(request: Pick<Request, "requestId" | "opCode">, replyId: number, body: Buffer | Doc): Buffer {
  const document = Buffer.isBuffer(body) ? body : encode(body);
  return request.opCode === "msg" ? formatMsg(request.requestId, replyId, document) : formatOpReply(request.requestId, replyId, document);
}

function formatMsg(responseTo: number, replyId: number, document: Buffer): Buffer {
  const head = Buffer.alloc(HEADER_BYTES + 5);
  writeHeader(head, head.length + document.length, replyId, responseTo, OP_MSG);
  return Buffer.concat([head, document]);
}

function formatOpReply(responseTo: number, replyId: number, document: Buffer): Buffer {
  const AWAIT_CAPABLE = 8;
  const head = Buffer.alloc(HEADER_BYTES + 20);
  writeHeader(head, head.length + document.length, replyId, responseTo, OP_REPLY);
  head.writeInt32LE(AWAIT_CAPABLE, HEADER_BYTES);
  head.writeInt32LE(1, HEADER_BYTES + 16);
  return Buffer.concat([head, document]);
}

function writeHeader(head: Buffer, length: number, requestId: number, responseTo: number, opCode: number): void {
  head.writeInt32LE(length, 0);
  head.writeInt32LE(requestId, 4);
  head.writeInt32LE(responseTo, 8);
  head.writeInt32LE(opCode, 12);
}
