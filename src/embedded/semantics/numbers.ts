/*
 * Exact order of numbers across Int32, Long, Double and Decimal128.
 * Comparing through doubles would call 2^53 and 2^53 + 1 equal, and let a unique index lose a value.
 */
import { Decimal128, Double, Int32, Long } from "bson";

/** `(-1)^negative * digits * 10^exponent`. */
export interface DecimalParts {
  negative: boolean;
  digits: bigint;
  exponent: number;
}

/** A JavaScript number stands for itself, a bigint for an integer beyond 2^53, parts for a finite decimal. */
export type PlainNumber = number | bigint | DecimalParts;

const DECIMAL_DIGITS_MAX = 10n ** 34n;
const DECIMAL_BIAS = 6176;

export function plainNumber(value: unknown): PlainNumber {
  if (typeof value === "number" || typeof value === "bigint") return value;
  if (value instanceof Int32 || value instanceof Double) return value.value;
  if (value instanceof Long) return narrow(value.toBigInt());
  if (value instanceof Decimal128) return decimalParts(value);
  return Number.NaN;
}

function narrow(value: bigint): PlainNumber {
  const double = Number(value);
  return Number.isSafeInteger(double) ? double : value;
}

/** Special values come back as the JavaScript number that means the same. */
function decimalParts(value: Decimal128): DecimalParts | number {
  const view = new DataView(value.bytes.buffer, value.bytes.byteOffset, 16);
  const high = view.getBigUint64(8, true);
  const negative = high >> 63n === 1n;
  const combination = Number((high >> 58n) & 0x1fn);
  if (combination === 0x1f) return Number.NaN;
  if (combination === 0x1e) return negative ? -Infinity : Infinity;
  // IEEE 754-2008: the second form can only hold more than 34 digits, which is read as zero.
  if (combination >> 3 === 3) return { negative, digits: 0n, exponent: 0 };
  const digits = ((high & 0x1ffffffffffffn) << 64n) | view.getBigUint64(0, true);
  return { negative, digits: digits < DECIMAL_DIGITS_MAX ? digits : 0n, exponent: Number((high >> 49n) & 0x3fffn) - DECIMAL_BIAS };
}

/** The exact decimal value of a finite double or integer: every double is m * 2^e, and 2^-1 is 5 * 10^-1. */
export function exactParts(value: PlainNumber): DecimalParts {
  if (typeof value === "object") return value;
  if (typeof value === "bigint") return { negative: value < 0n, digits: value < 0n ? -value : value, exponent: 0 };
  const negative = value < 0;
  let mantissa = Math.abs(value);
  if (Number.isInteger(mantissa)) return { negative, digits: BigInt(mantissa), exponent: 0 };
  let halvings = 0;
  // Doubling is exact in binary, so the loop ends after at most 1,074 rounds with an integer.
  for (; !Number.isInteger(mantissa); halvings++) mantissa *= 2;
  return { negative, digits: BigInt(mantissa) * 5n ** BigInt(halvings), exponent: -halvings };
}

/** NaN equals itself and is below all; -0 equals 0; the rest by exact value. */
export function compareNumbers(a: PlainNumber, b: PlainNumber): number {
  if (typeof a !== "object" && typeof b !== "object") {
    // JavaScript compares number with bigint exactly.
    if (a < b) return -1;
    if (a > b) return 1;
    const aNaN = Number.isNaN(a);
    return aNaN === Number.isNaN(b) ? 0 : aNaN ? -1 : 1;
  }
  if (typeof a === "number" && !Number.isFinite(a)) return a === Infinity ? 1 : -1;
  if (typeof b === "number" && !Number.isFinite(b)) return b === Infinity ? -1 : 1;
  return compareParts(exactParts(a), exactParts(b));
}

function compareParts(a: DecimalParts, b: DecimalParts): number {
  const signA = sign(a);
  const signB = sign(b);
  if (signA !== signB) return signA < signB ? -1 : 1;
  if (signA === 0) return 0;
  const magnitude = compareMagnitude(a, b);
  return signA < 0 ? 0 - magnitude : magnitude;
}

const sign = (parts: DecimalParts): number => (parts.digits === 0n ? 0 : parts.negative ? -1 : 1);

/** Power of ten of the first digit; compared first, so that 1E6000 is never spelled out. */
export const leadingExponent = (parts: DecimalParts): number => parts.digits.toString().length - 1 + parts.exponent;

function compareMagnitude(a: DecimalParts, b: DecimalParts): number {
  const order = leadingExponent(a) - leadingExponent(b);
  if (order !== 0) return order < 0 ? -1 : 1;
  const scale = a.exponent - b.exponent;
  const left = scale > 0 ? a.digits * 10n ** BigInt(scale) : a.digits;
  const right = scale < 0 ? b.digits * 10n ** BigInt(-scale) : b.digits;
  return left === right ? 0 : left < right ? -1 : 1;
}

/** Nearest double; exact where one exists. */
export function toDouble(value: PlainNumber): number {
  if (typeof value !== "object") return Number(value);
  return Number(`${value.negative ? "-" : ""}${value.digits}e${value.exponent}`);
}

/** `undefined` unless the number is a whole one. */
export function toInteger(value: PlainNumber): bigint | undefined {
  if (typeof value === "bigint") return value;
  if (typeof value === "number") return Number.isInteger(value) ? BigInt(value) : undefined;
  // Past 10^40 no integer type could take it, and spelling it out would cost memory.
  if (value.digits !== 0n && leadingExponent(value) > 40) return undefined;
  const truncated = truncateParts(value);
  return compareParts(exactParts(truncated), value) === 0 ? truncated : undefined;
}

export function truncateParts(value: DecimalParts): bigint {
  const digits = value.exponent >= 0 ? value.digits * 10n ** BigInt(value.exponent) : value.digits / 10n ** BigInt(-value.exponent);
  return value.negative ? -digits : digits;
}
