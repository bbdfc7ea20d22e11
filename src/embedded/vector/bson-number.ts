import { Double, Int32, Long } from "bson";

/** The number a BSON int, long or double holds; undefined for any other type, Decimal128 included. */
export function numberOf(value: unknown): number | undefined {
  if (typeof value === "number") return value;
  if (value instanceof Double || value instanceof Int32) return value.value;
  if (value instanceof Long) return value.toNumber();
  return undefined;
}

/** As `numberOf`, and undefined unless the number is a safe integer. */
export function integerOf(value: unknown): number | undefined {
  const number = numberOf(value);
  return Number.isSafeInteger(number) ? number : undefined;
}
