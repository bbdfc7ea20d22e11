/*
 * What a value is: BSON's comparison brackets, type names and type codes.
 * Prototypes decide, never a `_bsontype` field, which a client can forge in its documents.
 */
import { Binary, BSONRegExp, BSONSymbol, Code, Decimal128, Double, Int32, Long, MaxKey, MinKey, ObjectId, Timestamp, UUID } from "bson";
import type { Doc } from "./bson-codec.js";

/** Brackets in BSON order; the number is also the type byte of an encoded key, so 0 stays free as terminator. */
export const KIND = {
  minKey: 1,
  missing: 2,
  null: 5,
  number: 10,
  string: 15,
  object: 20,
  array: 25,
  binary: 30,
  objectId: 35,
  boolean: 40,
  date: 45,
  timestamp: 47,
  regex: 50,
  code: 60,
  codeWithScope: 65,
  maxKey: 127,
} as const;

interface Shape {
  kind: number;
  name: string;
  code: number;
}

const shape = (kind: number, name: string, code: number): Shape => ({ kind, name, code });
const MISSING = shape(KIND.missing, "missing", 6);
const NULL = shape(KIND.null, "null", 10);
const STRING = shape(KIND.string, "string", 2);
const BOOLEAN = shape(KIND.boolean, "bool", 8);
const INT = shape(KIND.number, "int", 16);
const DOUBLE = shape(KIND.number, "double", 1);
const LONG = shape(KIND.number, "long", 18);
const OBJECT = shape(KIND.object, "object", 3);
const BINARY = shape(KIND.binary, "binData", 5);
const REGEX = shape(KIND.regex, "regex", 11);
const CODE = shape(KIND.code, "javascript", 13);
const CODE_WITH_SCOPE = shape(KIND.codeWithScope, "javascriptWithScope", 15);

const BY_PROTOTYPE = new Map<unknown, Shape>([
  [Object.prototype, OBJECT],
  [null, OBJECT],
  [Array.prototype, shape(KIND.array, "array", 4)],
  [Int32.prototype, INT],
  [Double.prototype, DOUBLE],
  [Long.prototype, LONG],
  [Decimal128.prototype, shape(KIND.number, "decimal", 19)],
  [ObjectId.prototype, shape(KIND.objectId, "objectId", 7)],
  [Date.prototype, shape(KIND.date, "date", 9)],
  [Timestamp.prototype, shape(KIND.timestamp, "timestamp", 17)],
  [Binary.prototype, BINARY],
  [UUID.prototype, BINARY],
  [Buffer.prototype, BINARY],
  [Uint8Array.prototype, BINARY],
  [BSONRegExp.prototype, REGEX],
  [RegExp.prototype, REGEX],
  [BSONSymbol.prototype, shape(KIND.string, "symbol", 14)],
  [Code.prototype, CODE],
  [MinKey.prototype, shape(KIND.minKey, "minKey", -1)],
  [MaxKey.prototype, shape(KIND.maxKey, "maxKey", 127)],
]);

function shapeOf(value: unknown): Shape {
  switch (typeof value) {
    case "string":
      return STRING;
    case "undefined":
      return MISSING;
    case "boolean":
      return BOOLEAN;
    case "number":
      return (value | 0) === value && !Object.is(value, -0) ? INT : DOUBLE;
    case "bigint":
      return LONG;
  }
  if (value === null) return NULL;
  const found = BY_PROTOTYPE.get(Object.getPrototypeOf(value));
  if (found === CODE && (value as Code).scope) return CODE_WITH_SCOPE;
  return found ?? OBJECT;
}

export const kindOf = (value: unknown): number => shapeOf(value).kind;
/** MongoDB's alias, as in `$type: "int"`; `missing` for `undefined`. */
export const typeName = (value: unknown): string => shapeOf(value).name;
/** The number of the type on the wire, as in `$type: 16`. */
export const typeCode = (value: unknown): number => shapeOf(value).code;

export function isObject(value: unknown): value is Doc {
  return typeof value === "object" && value !== null && shapeOf(value).kind === KIND.object;
}

/** A plain read would find `constructor` and `__proto__` on every document. */
export function own(doc: Doc, key: string): unknown {
  return Object.hasOwn(doc, key) ? doc[key] : undefined;
}

/** A plain write to `__proto__` would change the prototype instead of adding a field. */
export function put(doc: Doc, key: string, value: unknown): void {
  if (key === "__proto__") Object.defineProperty(doc, key, { value, writable: true, enumerable: true, configurable: true });
  else doc[key] = value;
}

export function isOperatorObject(value: unknown): value is Doc {
  if (!isObject(value)) return false;
  for (const key in value) return key.startsWith("$");
  return false;
}

/** For messages only: short, never the whole of a large value. */
export function describe(value: unknown): string {
  if (value === undefined) return "MISSING";
  const text = JSON.stringify(value, (_key, item: unknown) => (typeof item === "bigint" ? item.toString() : item)) ?? String(value);
  return text.length > 160 ? `${text.slice(0, 160)}...` : text;
}
