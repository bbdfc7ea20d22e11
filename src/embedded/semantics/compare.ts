/*
 * BSON order: the one order behind queries, sorts, index keys and $min/$max.
 * `undefined` is a missing field and sorts before null, as in aggregation; sorting maps it to null first.
 */
import { Binary, BSONRegExp, BSONSymbol, Code, ObjectId, Timestamp } from "bson";
import type { Doc } from "./bson-codec.js";
import { KIND, kindOf } from "./bson-kinds.js";
import { compareNumbers, plainNumber } from "./numbers.js";

export function compareValues(a: unknown, b: unknown): number {
  if (typeof a === "string" && typeof b === "string") return compareStrings(a, b);
  const kind = kindOf(a);
  const other = kindOf(b);
  if (kind !== other) return kind < other ? -1 : 1;
  return compareSameKind(kind, a, b);
}

export function valuesEqual(a: unknown, b: unknown): boolean {
  if (typeof a === "string" && typeof b === "string") return a === b;
  return compareValues(a, b) === 0;
}

/** Both values must be of this kind. */
export function compareSameKind(kind: number, a: unknown, b: unknown): number {
  switch (kind) {
    case KIND.number:
      return compareNumbers(plainNumber(a), plainNumber(b));
    case KIND.string:
      return compareStrings(stringOf(a), stringOf(b));
    case KIND.object:
      return compareObjects(a as Doc, b as Doc);
    case KIND.array:
      return compareArrays(a as unknown[], b as unknown[]);
    case KIND.binary:
      return compareBinary(binaryOf(a), binaryOf(b));
    case KIND.objectId:
      // Reading `id` allocates; most comparisons in a matcher ask for equality alone.
      return (a as ObjectId).equals(b as ObjectId) ? 0 : Buffer.compare((a as ObjectId).id, (b as ObjectId).id);
    case KIND.boolean:
    case KIND.date:
      return compareNumbers(Number(a), Number(b));
    case KIND.timestamp:
      return (a as Timestamp).t - (b as Timestamp).t || (a as Timestamp).i - (b as Timestamp).i;
    case KIND.regex:
      return compareRegex(regexOf(a), regexOf(b));
    case KIND.code:
      return compareStrings((a as Code).code, (b as Code).code);
    case KIND.codeWithScope:
      return compareStrings((a as Code).code, (b as Code).code) || compareObjects(scopeOf(a), scopeOf(b));
    default:
      return 0;
  }
}

/** By UTF-8 bytes, which is by code point: JavaScript's own order puts U+FFFD after an emoji. */
export function compareStrings(a: string, b: string): number {
  if (a === b) return 0;
  const end = Math.min(a.length, b.length);
  for (let i = 0; i < end; i++) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    if (left !== right) {
      const surrogates = Number(isSurrogate(left)) - Number(isSurrogate(right));
      return surrogates !== 0 ? surrogates : left < right ? -1 : 1;
    }
  }
  return a.length < b.length ? -1 : 1;
}

const isSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdfff;

/** Field by field: type first, then name, then value; `{a: 1}` is below `{a: 1, b: 1}`. */
function compareObjects(a: Doc, b: Doc): number {
  const keys = Object.keys(a);
  const others = Object.keys(b);
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!;
    const other = others[i];
    if (other === undefined) return 1;
    const left = a[key];
    const right = b[other];
    const kind = kindOf(left);
    const order = kind - kindOf(right) || compareStrings(key, other) || compareSameKind(kind, left, right);
    if (order !== 0) return order < 0 ? -1 : 1;
  }
  return keys.length < others.length ? -1 : 0;
}

function compareArrays(a: readonly unknown[], b: readonly unknown[]): number {
  for (let i = 0; i < a.length; i++) {
    if (i >= b.length) return 1;
    const order = compareValues(a[i], b[i]);
    if (order !== 0) return order;
  }
  return a.length < b.length ? -1 : 0;
}

interface BinaryParts {
  subtype: number;
  bytes: Uint8Array;
}

export function binaryOf(value: unknown): BinaryParts {
  if (value instanceof Binary) return { subtype: value.sub_type, bytes: value.buffer.subarray(0, value.position) };
  return { subtype: 0, bytes: value as Uint8Array };
}

function compareBinary(a: BinaryParts, b: BinaryParts): number {
  return a.bytes.length - b.bytes.length || a.subtype - b.subtype || Buffer.compare(a.bytes, b.bytes);
}

export interface RegexParts {
  pattern: string;
  options: string;
}

export function regexOf(value: unknown): RegexParts {
  if (value instanceof BSONRegExp) return value;
  const native = value as RegExp;
  return { pattern: native.source, options: [...native.flags].filter((flag) => "ims".includes(flag)).toSorted().join("") };
}

function compareRegex(a: RegexParts, b: RegexParts): number {
  return compareStrings(a.pattern, b.pattern) || compareStrings(a.options, b.options);
}

export const stringOf = (value: unknown): string => (value instanceof BSONSymbol ? value.value : (value as string));
export const scopeOf = (value: unknown): Doc => (value as Code).scope ?? {};
