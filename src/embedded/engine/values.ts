/*
 * Reading numbers and flags out of decoded BSON, where numbers keep their type.
 * Before it: a command's body; after it: whoever needs a plain number, string or document.
 */
import { Binary, Decimal128, Double, Int32, Long } from "bson";
import type { Doc } from "../semantics/bson-codec.js";
import { badValue, typeMismatch } from "./errors.js";

const UUID_BYTES = 16;

export function isNumber(value: unknown): boolean {
  return (
    typeof value === "number" ||
    value instanceof Int32 ||
    value instanceof Double ||
    value instanceof Decimal128 ||
    Long.isLong(value)
  );
}

/** NaN for what is no number. */
export function asNumber(value: unknown): number {
  if (typeof value === "number") return value;
  if (value instanceof Int32 || value instanceof Double) return value.value;
  if (Long.isLong(value)) return value.toNumber();
  if (value instanceof Decimal128) return Number(value.toString());
  return Number.NaN;
}

export function optionalInteger(body: Doc, field: string): number | undefined {
  const value = body[field];
  if (value === undefined || value === null) return undefined;
  if (!isNumber(value)) throw typeMismatch(field, value, "number");
  const number = asNumber(value);
  if (!Number.isSafeInteger(number)) throw badValue(`Got ${number} for '${field}', expected a whole number`);
  return number;
}

export function nonNegativeInteger(body: Doc, field: string): number | undefined {
  const number = optionalInteger(body, field);
  if (number !== undefined && number < 0) throw badValue(`BSON field '${field}' value must be >= 0, actual value '${number}'`);
  return number;
}

/** Numbers and booleans both serve as flags, as in MongoDB's "safeBool". */
export function flag(body: Doc, field: string, fallback = false): boolean {
  const value = body[field];
  if (value === undefined || value === null) return fallback;
  if (typeof value === "boolean") return value;
  if (isNumber(value)) return asNumber(value) !== 0;
  throw typeMismatch(field, value, "bool");
}

export function requiredString(body: Doc, field: string): string {
  const value = body[field];
  if (typeof value !== "string") throw typeMismatch(field, value, "string");
  return value;
}

export function isDoc(value: unknown): value is Doc {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

export function optionalDoc(body: Doc, field: string): Doc | undefined {
  const value = body[field];
  if (value === undefined || value === null) return undefined;
  if (!isDoc(value)) throw typeMismatch(field, value, "object");
  return value;
}

export function docArray(body: Doc, field: string): Doc[] {
  const value = body[field];
  if (!Array.isArray(value)) throw typeMismatch(field, value, "array");
  for (const item of value) if (!isDoc(item)) throw typeMismatch(`${field}.0`, item, "object");
  return value as Doc[];
}

/** The bytes of a session's id. */
export function lsidBytes(lsid: unknown): Buffer {
  const id = isDoc(lsid) ? lsid["id"] : undefined;
  // Of no other length: behind it stands whose session it is, and an id that could hold both would be another's.
  if (!(id instanceof Binary) || id.position !== UUID_BYTES) throw badValue("Got a session id that is no UUID");
  return Buffer.from(id.buffer.subarray(0, id.position));
}
