/*
 * Values as bytes whose memcmp order is BSON order: keys of documents, indexes, groups and partitions.
 * Every encoded value ends itself, so a tuple is the plain concatenation and no tuple is another's prefix.
 */
import { type Code, ObjectId, type Timestamp } from "bson";
import type { Doc } from "./bson-codec.js";
import { KIND, kindOf } from "./bson-kinds.js";
import { binaryOf, regexOf, scopeOf, stringOf } from "./compare.js";
import { compareNumbers, exactParts, leadingExponent, type PlainNumber, plainNumber, toDouble } from "./numbers.js";

/** Grows by doubling and is reused: most keys are short, and an allocation a byte would dominate. */
class KeyWriter {
  bytes = Buffer.allocUnsafe(256);
  length = 0;

  reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.length + count));
    this.bytes.copy(larger, 0, 0, this.length);
    this.bytes = larger;
  }

  byte(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  raw(value: Uint8Array): void {
    this.reserve(value.length);
    this.bytes.set(value, this.length);
    this.length += value.length;
  }

  /** Ends with 0; a 0 or 1 inside becomes 1,1 or 1,2, so that the end sorts below any longer text. */
  text(value: string): void {
    this.reserve(value.length * 3 + 1);
    const start = this.length;
    this.length += this.bytes.write(value, start, "utf8");
    let escapes = 0;
    for (let i = start; i < this.length; i++) if (this.bytes[i]! < 2) escapes++;
    if (escapes > 0) this.escape(start, escapes);
    this.byte(0);
  }

  private escape(start: number, escapes: number): void {
    this.reserve(escapes + 1);
    let to = this.length + escapes;
    for (let from = this.length - 1; from >= start; from--) {
      const value = this.bytes[from]!;
      this.bytes[--to] = value < 2 ? value + 1 : value;
      if (value < 2) this.bytes[--to] = 1;
    }
    this.length += escapes;
  }

  uint32(value: number): void {
    this.reserve(4);
    this.length = this.bytes.writeUInt32BE(value, this.length);
  }

  /** The sign bit flipped for positive, all bits for negative doubles; NaN below all. */
  double(value: number): void {
    this.reserve(8);
    const at = this.length;
    this.length = this.bytes.writeDoubleBE(value === 0 ? 0 : value, at);
    if (Number.isNaN(value)) this.bytes.fill(0, at, at + 8);
    else if (value < 0) invert(this.bytes, at, at + 8);
    else this.bytes[at]! |= 0x80;
  }
}

const shared = new KeyWriter();
/** What one giant key may leave behind in the shared writer. */
const SHARED_BYTES_MAX = 1 << 20;

/** Directions default to ascending; a descending value has its bytes inverted. */
export function encodeKey(values: readonly unknown[], directions?: readonly (1 | -1)[]): Buffer {
  shared.length = 0;
  for (let i = 0; i < values.length; i++) {
    const start = shared.length;
    writeValue(shared, values[i]);
    if (directions?.[i] === -1) invert(shared.bytes, start, shared.length);
  }
  const key = Buffer.from(shared.bytes.subarray(0, shared.length));
  if (shared.bytes.length > SHARED_BYTES_MAX) shared.bytes = Buffer.allocUnsafe(256);
  return key;
}

function invert(bytes: Uint8Array, start: number, end: number): void {
  for (let i = start; i < end; i++) bytes[i] = bytes[i]! ^ 0xff;
}

function writeValue(out: KeyWriter, value: unknown): void {
  const kind = kindOf(value);
  out.byte(kind);
  writePayload(out, kind, value);
}

function writePayload(out: KeyWriter, kind: number, value: unknown): void {
  switch (kind) {
    case KIND.number:
      return writeNumber(out, plainNumber(value));
    case KIND.string:
      return out.text(stringOf(value));
    case KIND.object:
      return writeObject(out, value as Doc);
    case KIND.array:
      for (const item of value as unknown[]) writeValue(out, item);
      return out.byte(0);
    case KIND.binary:
      return writeBinary(out, value);
    case KIND.objectId:
      return out.raw((value as ObjectId).id);
    case KIND.boolean:
      return out.byte(value === true ? 1 : 0);
    case KIND.date:
      return out.double((value as Date).getTime());
    case KIND.timestamp:
      out.uint32((value as Timestamp).t);
      return out.uint32((value as Timestamp).i);
    case KIND.regex:
      out.text(regexOf(value).pattern);
      return out.text(regexOf(value).options);
    case KIND.code:
      return out.text((value as Code).code);
    case KIND.codeWithScope:
      out.text((value as Code).code);
      return writeObject(out, scopeOf(value));
  }
}

/** The type byte of a field stands before its name because BSON compares types first. */
function writeObject(out: KeyWriter, doc: Doc): void {
  for (const key of Object.keys(doc)) {
    const kind = kindOf(doc[key]);
    out.byte(kind);
    out.text(key);
    writePayload(out, kind, doc[key]);
  }
  out.byte(0);
}

/** Length, subtype, bytes: BSON sorts a shorter binary below any longer one. */
function writeBinary(out: KeyWriter, value: unknown): void {
  const { subtype, bytes } = binaryOf(value);
  out.uint32(bytes.length);
  out.byte(subtype);
  out.raw(bytes);
}

/**
 * The greatest double not above the number, then 0 if that is the number itself, else 1 and its
 * decimal digits: equal numbers of different types get one key, and 2^53 + 1 keeps its own.
 */
function writeNumber(out: KeyWriter, value: PlainNumber): void {
  if (typeof value === "number") {
    out.double(value);
    return out.byte(0);
  }
  const floor = floorDouble(value);
  out.double(floor);
  if (compareNumbers(floor, value) === 0) return out.byte(0);
  out.byte(1);
  writeDigits(out, value);
}

function floorDouble(value: PlainNumber): number {
  const nearest = toDouble(value);
  return compareNumbers(nearest, value) > 0 ? nextBelow(nearest) : nearest;
}

const bits = new DataView(new ArrayBuffer(8));

function nextBelow(value: number): number {
  if (value === 0) return -Number.MIN_VALUE;
  bits.setFloat64(0, value);
  bits.setBigInt64(0, bits.getBigInt64(0) + (value > 0 ? -1n : 1n));
  return bits.getFloat64(0);
}

/** Exponent, then digits without trailing zeros, each plus one so that the end (0) sorts first; inverted below zero. */
function writeDigits(out: KeyWriter, value: PlainNumber): void {
  const parts = exactParts(value);
  const start = out.length;
  out.uint32(leadingExponent(parts) + 0x10000);
  const digits = parts.digits.toString();
  let end = digits.length;
  while (digits.charCodeAt(end - 1) === 0x30) end--;
  for (let i = 0; i < end; i++) out.byte(digits.charCodeAt(i) - 0x2f);
  out.byte(0);
  if (parts.negative) invert(out.bytes, start, out.length);
}
