/*
 * Operators on numbers (and, for $add and $subtract, dates).
 */
import { Double, Long } from "bson";
import { EngineError } from "../engine-error.js";
import { combineLoosely, divide, doubleOf, integer, isDecimal, isNumber, isZero, remainder, roundTo, type Rounding, toDecimal } from "./arithmetic.js";
import { describe, typeName } from "./bson-kinds.js";
import { isNullish, location, onValue, onValues, typeMismatch } from "./expression-operands.js";
import type { OperatorBuilder } from "./expression-types.js";
import { plainNumber, toInteger } from "./numbers.js";

function add(values: unknown[]): unknown {
  if (values.some(isNullish)) return null;
  const dates = values.filter((value): value is Date => value instanceof Date);
  if (dates.length > 1) throw location(16612, "only one date allowed in an $add expression");
  let sum: unknown = 0;
  for (const value of values) {
    if (value instanceof Date) continue;
    if (!isNumber(value)) throw typeMismatch(`$add only supports numeric or date types, not ${typeName(value)}`);
    sum = combineLoosely("+", sum, value);
  }
  return dates[0] ? new Date(dates[0].getTime() + Math.round(doubleOf(sum))) : sum;
}

function subtract([a, b]: unknown[]): unknown {
  if (isNullish(a) || isNullish(b)) return null;
  if (a instanceof Date && b instanceof Date) return Long.fromNumber(a.getTime() - b.getTime());
  if (a instanceof Date && isNumber(b)) return new Date(a.getTime() - Math.round(doubleOf(b)));
  if (!isNumber(a) || !isNumber(b)) throw typeMismatch(`can't $subtract ${typeName(b)} from ${typeName(a)}`);
  return combineLoosely("-", a, b);
}

function multiply(values: unknown[]): unknown {
  if (values.some(isNullish)) return null;
  let product: unknown = 1;
  for (const value of values) {
    if (!isNumber(value)) throw typeMismatch(`$multiply only supports numeric types, not ${typeName(value)}`);
    product = combineLoosely("*", product, value);
  }
  return product;
}

/** $divide and $mod: both operands numbers, the second not zero. */
const quotient = (apply: (a: unknown, b: unknown) => unknown, zeroCode: number): OperatorBuilder =>
  onValues(2, 2, ([a, b], name) => {
    if (isNullish(a) || isNullish(b)) return null;
    if (!isNumber(a) || !isNumber(b)) throw typeMismatch(`${name} only supports numeric types, not ${typeName(a)} and ${typeName(b)}`);
    if (isZero(b)) throw new EngineError(zeroCode, zeroCode === 2 ? "BadValue" : `Location${zeroCode}`, `can't ${name} by zero`);
    return apply(a, b);
  });

function requireNumber(value: unknown, name: string): void {
  if (!isNumber(value)) throw location(28765, `${name} only supports numeric types, not ${typeName(value)}`);
}

const onNumber = (apply: (value: unknown, name: string) => unknown): OperatorBuilder =>
  onValue((value, name) => {
    requireNumber(value, name);
    return apply(value, name);
  });

/** Irrational results are doubles; a decimal operand gives the decimal of that double. */
const real = (apply: (value: number) => number, holds: (value: number) => boolean, domain: string): OperatorBuilder =>
  onNumber((value, name) => {
    const number = doubleOf(value);
    if (!Number.isNaN(number) && !holds(number)) throw location(28714, `${name}'s argument must be ${domain}, but is ${describe(value)}`);
    const result = new Double(apply(number));
    return isDecimal(value) ? toDecimal(result) : result;
  });

const always = (): boolean => true;

function power([base, exponent]: unknown[], name: string): unknown {
  if (isNullish(base) || isNullish(exponent)) return null;
  requireNumber(base, name);
  requireNumber(exponent, name);
  if (isZero(base) && doubleOf(exponent) < 0) throw location(28764, "$pow cannot take a base of 0 and a negative exponent");
  const result = doubleOf(base) ** doubleOf(exponent);
  if (isDecimal(base) || isDecimal(exponent)) return toDecimal(new Double(result));
  const types = [typeName(base), typeName(exponent)];
  if (!Number.isSafeInteger(result) || types.includes("double")) return new Double(result);
  return integer(BigInt(result), types.includes("long"));
}

const rounded = (rounding: Rounding, withPlace: boolean): OperatorBuilder =>
  onValues(1, withPlace ? 2 : 1, ([value, place = 0], name) => {
    if (isNullish(value) || place === null) return null;
    requireNumber(value, name);
    const digits = isNumber(place) ? Number(toInteger(plainNumber(place)) ?? Number.NaN) : Number.NaN;
    if (!(digits > -20 && digits < 100)) throw location(51083, `cannot apply ${name} with precision value ${describe(place)}, expected a whole number from -20 to 100`);
    return roundTo(value, rounding, digits);
  });

export const arithmeticOperators: Readonly<Record<string, OperatorBuilder>> = {
  $add: onValues(0, Infinity, add),
  $subtract: onValues(2, 2, subtract),
  $multiply: onValues(0, Infinity, multiply),
  $divide: quotient(divide, 2),
  $mod: quotient(remainder, 16610),
  $abs: onNumber((value) => (doubleOf(value) < 0 ? combineLoosely("-", typeName(value) === "long" ? Long.ZERO : 0, value) : value)),
  $ceil: rounded("ceil", false),
  $floor: rounded("floor", false),
  $round: rounded("round", true),
  $trunc: rounded("trunc", true),
  $sqrt: real(Math.sqrt, (value) => value >= 0, "greater than or equal to 0"),
  $exp: real(Math.exp, always, "a number"),
  $ln: real(Math.log, (value) => value > 0, "a positive number"),
  $log10: real(Math.log10, (value) => value > 0, "a positive number"),
  $pow: onValues(2, 2, power),
};
