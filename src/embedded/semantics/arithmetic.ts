/*
 * Sums and products that keep BSON's numeric types: int grows to long, double and decimal win over both.
 * Before it: $inc, $mul, $sum and the arithmetic expressions; after it: numbers.
 */
import { Decimal128, Double, Int32, Long } from "bson";
import { KIND, kindOf, typeName } from "./bson-kinds.js";
import { compareNumbers, type DecimalParts, exactParts, leadingExponent, plainNumber, toDouble, toInteger } from "./numbers.js";

export type ArithmeticOperator = "+" | "-" | "*";

/** Order of widening; the wider of two operands is the type of the result. */
const WIDTH: Readonly<Record<string, number>> = { int: 0, long: 1, double: 2, decimal: 3 };
const DOUBLE = 2;
const DECIMAL = 3;

export const isNumber = (value: unknown): boolean => kindOf(value) === KIND.number;
export const isDecimal = (value: unknown): value is Decimal128 => value instanceof Decimal128;
const widthOf = (value: unknown): number => WIDTH[typeName(value)] ?? DOUBLE;
export const doubleOf = (value: unknown): number => toDouble(plainNumber(value));

/** `undefined` when two integers leave 64 bits: an update fails then, an expression goes on in doubles. */
export function combine(operator: ArithmeticOperator, a: unknown, b: unknown): unknown {
  if (a instanceof Int32 && b instanceof Int32) {
    // The common case without bigints: sums over many documents spend their time here.
    const result = combineDoubles(operator, a.value, b.value);
    if ((result | 0) === result) return new Int32(result);
  }
  const width = Math.max(widthOf(a), widthOf(b));
  if (width === DECIMAL) return combineDecimals(operator, a, b);
  if (width === DOUBLE) return new Double(combineDoubles(operator, doubleOf(a), doubleOf(b)));
  return integer(combineIntegers(operator, integerOf(a), integerOf(b)), width > 0);
}

export function combineLoosely(operator: ArithmeticOperator, a: unknown, b: unknown): unknown {
  return combine(operator, a, b) ?? new Double(combineDoubles(operator, doubleOf(a), doubleOf(b)));
}

const integerOf = (value: unknown): bigint => toInteger(plainNumber(value)) ?? 0n;

/** The narrowest of int (unless `long`) and long that holds the number; `undefined` past 64 bits. */
export function integer(value: bigint, long: boolean): Int32 | Long | undefined {
  if (!long && BigInt.asIntN(32, value) === value) return new Int32(Number(value));
  return BigInt.asIntN(64, value) === value ? Long.fromBigInt(value) : undefined;
}

function combineDoubles(operator: ArithmeticOperator, a: number, b: number): number {
  return operator === "+" ? a + b : operator === "-" ? a - b : a * b;
}

function combineIntegers(operator: ArithmeticOperator, a: bigint, b: bigint): bigint {
  return operator === "+" ? a + b : operator === "-" ? a - b : a * b;
}

function combineDecimals(operator: ArithmeticOperator, a: unknown, b: unknown): Decimal128 {
  const left = decimalOperand(a);
  const right = decimalOperand(b);
  if (typeof left === "number" || typeof right === "number") {
    return specialDecimal(combineDoubles(operator, approximate(left), approximate(right)));
  }
  const [x, y] = [signed(left), signed(right)];
  if (operator === "*") return decimal(x * y, left.exponent + right.exponent);
  const exponent = Math.min(left.exponent, right.exponent);
  const aligned = (digits: bigint, from: number): bigint => digits * 10n ** BigInt(from - exponent);
  return decimal(combineIntegers(operator, aligned(x, left.exponent), aligned(y, right.exponent)), exponent);
}

const signed = (parts: DecimalParts): bigint => (parts.negative ? -parts.digits : parts.digits);
const approximate = (value: DecimalParts | number): number => (typeof value === "number" ? value : toDouble(value));

/** A double counts with its first 15 digits, as in MongoDB: 0.1 is 0.1 and not 0.1000000000000000055. */
function decimalOperand(value: unknown): DecimalParts | number {
  const number = plainNumber(value);
  if (typeof number === "number" && !Number.isInteger(number)) return Number.isFinite(number) ? fifteenDigits(number) : number;
  return exactParts(number);
}

function fifteenDigits(value: number): DecimalParts {
  const [mantissa = "0", exponent = "0"] = value.toExponential(14).split("e");
  const digits = BigInt(mantissa.replace(/[-.]/g, ""));
  return stripZeros({ negative: value < 0, digits, exponent: Number(exponent) - 14 });
}

function stripZeros(parts: DecimalParts): DecimalParts {
  let { digits, exponent } = parts;
  for (; digits !== 0n && digits % 10n === 0n; digits /= 10n) exponent++;
  return { negative: parts.negative, digits, exponent };
}

const specialDecimal = (value: number): Decimal128 =>
  Decimal128.fromString(Number.isNaN(value) ? "NaN" : value === Infinity ? "Infinity" : value === -Infinity ? "-Infinity" : String(value));

/** IEEE 754-2008 decimal128: 34 digits, exponents from -6176 to 6111. */
const DIGITS_MAX = 34;
const EXPONENT_MIN = -6176;
const LEADING_EXPONENT_MAX = 6144;

function decimal(value: bigint, exponent: number): Decimal128 {
  const negative = value < 0n;
  let digits = negative ? -value : value;
  const excess = Math.max(digits.toString().length - DIGITS_MAX, EXPONENT_MIN - exponent, 0);
  if (excess > 0) digits = divideHalfEven(digits, 10n ** BigInt(excess));
  const scaled: DecimalParts = { negative, digits, exponent: exponent + excess };
  if (digits !== 0n && leadingExponent(scaled) > LEADING_EXPONENT_MAX) return specialDecimal(negative ? -Infinity : Infinity);
  return Decimal128.fromString(`${negative ? "-" : ""}${digits}E${exponent + excess}`);
}

function divideHalfEven(value: bigint, divisor: bigint): bigint {
  const quotient = value / divisor;
  const twice = (value % divisor) * 2n;
  const up = twice > divisor || (twice === divisor && quotient % 2n === 1n);
  return up ? quotient + 1n : quotient;
}

/** Doubles with 15 digits, integers exactly. */
export function toDecimal(value: unknown): Decimal128 {
  if (isDecimal(value)) return value;
  const parts = decimalOperand(value);
  return typeof parts === "number" ? specialDecimal(parts) : decimal(signed(parts), parts.exponent);
}

/** The divisor must not be zero. Integers divide to a double, as in MongoDB. */
export function divide(a: unknown, b: unknown): Double | Decimal128 {
  if (!isDecimal(a) && !isDecimal(b)) return new Double(doubleOf(a) / doubleOf(b));
  const left = decimalOperand(a);
  const right = decimalOperand(b);
  if (typeof left === "number" || typeof right === "number") return specialDecimal(approximate(left) / approximate(right));
  // Two digits more than fit, so that the rounding of the quotient sees what was cut off.
  const shift = DIGITS_MAX + 2 + right.digits.toString().length;
  const scaled = left.digits * 10n ** BigInt(shift);
  const sticky = scaled % right.digits === 0n ? 0n : 1n;
  const quotient = (scaled / right.digits) * 10n + sticky;
  const result = stripZeros({ negative: left.negative !== right.negative, digits: quotient, exponent: left.exponent - right.exponent - shift - 1 });
  return decimal(signed(result), result.exponent);
}

/** The sign of the dividend, as in C. The divisor must not be zero. */
export function remainder(a: unknown, b: unknown): unknown {
  const width = Math.max(widthOf(a), widthOf(b));
  if (width === DOUBLE) return new Double(doubleOf(a) % doubleOf(b));
  if (width < DOUBLE) return integer(integerOf(a) % integerOf(b), width > 0);
  const left = decimalOperand(a);
  const right = decimalOperand(b);
  if (typeof left === "number" || typeof right === "number") return specialDecimal(approximate(left) % approximate(right));
  const exponent = Math.min(left.exponent, right.exponent);
  const aligned = (parts: DecimalParts): bigint => signed(parts) * 10n ** BigInt(parts.exponent - exponent);
  return decimal(aligned(left) % aligned(right), exponent);
}

export const isZero = (value: unknown): boolean => compareNumbers(plainNumber(value), 0) === 0;

/** False, zero, null and missing are false; everything else, NaN and empty text included, is true. */
export function truthy(value: unknown): boolean {
  if (typeof value === "boolean") return value;
  if (value === null || value === undefined) return false;
  return !isNumber(value) || !isZero(value);
}

export type Rounding = "round" | "trunc" | "ceil" | "floor";

/** Keeps the type; `place` decimals (negative: tens, hundreds). `round` is half to even, as MongoDB's. */
export function roundTo(value: unknown, rounding: Rounding, place: number): unknown {
  const number = plainNumber(value);
  if (typeof number === "number" && !Number.isFinite(number)) return value;
  const width = widthOf(value);
  if (width < DOUBLE && place >= 0) return value;
  const parts = exactParts(number);
  const excess = -place - parts.exponent;
  if (excess <= 0) return value;
  const digits = roundDigits(parts, rounding, 10n ** BigInt(excess));
  if (width < DOUBLE) return integer(signed({ ...parts, digits }) * 10n ** BigInt(-place), width > 0) ?? value;
  if (width === DECIMAL) return decimal(signed({ ...parts, digits }), -place);
  return new Double(toDouble({ negative: parts.negative, digits, exponent: -place }));
}

function roundDigits(parts: DecimalParts, rounding: Rounding, unit: bigint): bigint {
  if (rounding === "round") return divideHalfEven(parts.digits, unit);
  const quotient = parts.digits / unit;
  const away = rounding === (parts.negative ? "floor" : "ceil") && parts.digits % unit !== 0n;
  return away ? quotient + 1n : quotient;
}
