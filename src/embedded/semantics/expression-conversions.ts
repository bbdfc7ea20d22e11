/*
 * Conversions between types, and $type.
 */
import { Decimal128, Double, Int32, Long, ObjectId, Timestamp } from "bson";
import { EngineError } from "../engine-error.js";
import { doubleOf, integer, isDecimal, isNumber, toDecimal, truthy } from "./arithmetic.js";
import { describe, typeName } from "./bson-kinds.js";
import { isNullish, named, onValue, onValues } from "./expression-operands.js";
import type { OperatorBuilder } from "./expression-types.js";
import { exactParts, plainNumber, toInteger, truncateParts } from "./numbers.js";

const failure = (message: string): EngineError => new EngineError(241, "ConversionFailure", message);

function unsupported(value: unknown, target: string): never {
  throw failure(`Unsupported conversion from ${typeName(value)} to ${target} in $convert with no onError value`);
}

/** `undefined` for what has no text form. */
export function toText(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return String(value);
  if (value instanceof ObjectId) return value.toHexString();
  if (value instanceof Date) return value.toISOString();
  if (isDecimal(value) || value instanceof Long) return value.toString();
  return isNumber(value) ? doubleText(doubleOf(value)) : undefined;
}

/** JavaScript writes 1e+21 where the server writes 1e21, and Infinity the same. */
const doubleText = (value: number): string => String(value).replace("e+", "e");

function toWhole(value: unknown, target: "int" | "long"): Int32 | Long {
  const whole = wholeOf(value, target);
  const result = integer(whole, target === "long");
  if (result === undefined || (target === "int" && result instanceof Long)) {
    throw failure(`Conversion would overflow target type in $convert with no onError value: ${describe(value)}`);
  }
  return result;
}

function wholeOf(value: unknown, target: string): bigint {
  if (typeof value === "boolean") return value ? 1n : 0n;
  if (value instanceof Date && target === "long") return BigInt(value.getTime());
  if (typeof value === "string") return parseWhole(value);
  if (!isNumber(value)) return unsupported(value, target);
  const number = plainNumber(value);
  if (typeof number === "number" && !Number.isFinite(number)) {
    throw failure("Attempt to convert NaN or infinity value to integer type in $convert with no onError value");
  }
  const parts = exactParts(number);
  return toInteger(number) ?? (parts.exponent > 0 ? 2n ** 100n : truncateParts(parts));
}

function parseWhole(text: string): bigint {
  if (!/^[+-]?\d{1,40}$/.test(text)) throw failure(`Failed to parse number '${text.slice(0, 100)}' in $convert with no onError value`);
  return BigInt(text.replace("+", ""));
}

const NUMBER_TEXT = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$|^[+-]?(?:inf|infinity)$|^nan$/i;

function parseNumber(text: string): string {
  if (!NUMBER_TEXT.test(text)) throw failure(`Failed to parse number '${text.slice(0, 100)}' in $convert with no onError value`);
  return text.replace(/inf(?:inity)?/i, "Infinity").replace(/^nan$/i, "NaN");
}

function toDoubleValue(value: unknown): Double {
  if (typeof value === "string") return new Double(Number(parseNumber(value)));
  if (typeof value === "boolean" || value instanceof Date) return new Double(Number(value));
  return isNumber(value) ? new Double(doubleOf(value)) : unsupported(value, "double");
}

function toDecimalValue(value: unknown): Decimal128 {
  if (typeof value === "string") return Decimal128.fromStringWithRounding(parseNumber(value));
  if (typeof value === "boolean" || value instanceof Date) return Decimal128.fromString(String(Number(value)));
  return isNumber(value) ? toDecimal(value) : unsupported(value, "decimal");
}

function toObjectId(value: unknown): ObjectId {
  if (value instanceof ObjectId) return value;
  if (typeof value !== "string") return unsupported(value, "objectId");
  if (!/^[0-9a-fA-F]{24}$/.test(value)) throw failure(`Failed to parse objectId '${value.slice(0, 100)}' in $convert with no onError value: expected 24 hexadecimal digits`);
  return ObjectId.createFromHexString(value);
}

const ISO_DATE = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)?)?$/;

function toDate(value: unknown): Date {
  if (value instanceof Date) return value;
  if (value instanceof ObjectId) return value.getTimestamp();
  if (value instanceof Timestamp) return new Date(value.t * 1000);
  if (typeof value === "string") return parseDate(value);
  // The server refuses int here, though it takes long, double and decimal.
  if (isNumber(value) && typeName(value) !== "int") return new Date(Math.trunc(doubleOf(value)));
  return unsupported(value, "date");
}

/** ISO 8601; without an offset the time is UTC, not the machine's. Throws 241. */
function parseDate(text: string): Date {
  const hasOffset = /(?:Z|[+-]\d\d:?\d\d)$/.test(text.slice(10));
  const date = new Date(text.length === 10 || hasOffset ? text : `${text}Z`);
  if (!ISO_DATE.test(text) || Number.isNaN(date.getTime())) {
    throw failure(`Error parsing date string '${text.slice(0, 100)}': expected ISO 8601, such as 2024-05-31T08:00:00Z`);
  }
  return date;
}

const CONVERSIONS: ReadonlyMap<unknown, (value: unknown) => unknown> = new Map<unknown, (value: unknown) => unknown>([
  ["double", toDoubleValue],
  ["string", (value) => toText(value) ?? unsupported(value, "string")],
  ["objectId", toObjectId],
  ["bool", (value) => (isNumber(value) || typeof value === "boolean" ? truthy(value) : true)],
  ["date", toDate],
  ["int", (value) => toWhole(value, "int")],
  ["long", (value) => toWhole(value, "long")],
  ["decimal", toDecimalValue],
]);
const TARGET_CODES: Readonly<Record<number, string>> = { 1: "double", 2: "string", 7: "objectId", 8: "bool", 9: "date", 16: "int", 18: "long", 19: "decimal" };

function conversion(target: unknown): (value: unknown) => unknown {
  const name = isNumber(target) ? TARGET_CODES[doubleOf(target)] : target;
  const convert = CONVERSIONS.get(name);
  if (!convert) throw new EngineError(9, "FailedToParse", `$convert cannot convert to ${describe(target)}, expected one of ${[...CONVERSIONS.keys()].join(", ")}`);
  return convert;
}

/** onError catches failed conversions alone: errors inside its own operands go through. */
const convertOperator: OperatorBuilder = (operand, compile, name) => {
  const fields = named(name, operand, ["input", "to"], ["onError", "onNull"]);
  const [input, to, onNull] = [compile(fields["input"]), compile(fields["to"]), compile(fields["onNull"] ?? null)];
  const onError = Object.hasOwn(fields, "onError") ? compile(fields["onError"]) : undefined;
  return (frame) => {
    const value = input(frame);
    if (isNullish(value)) return onNull(frame);
    const target = to(frame);
    if (isNullish(target)) return null;
    const convert = conversion(target);
    try {
      return convert(value);
    } catch (error) {
      if (onError && error instanceof EngineError && error.code === 241) return onError(frame);
      throw error;
    }
  };
};

const to = (target: string): OperatorBuilder => onValue(conversion(target));

function dateFromString(operand: unknown, compile: Parameters<OperatorBuilder>[1], name: string): ReturnType<OperatorBuilder> {
  const fields = named(name, operand, ["dateString"], ["onError", "onNull"]);
  return convertOperator({ input: fields["dateString"], to: "date", ...(Object.hasOwn(fields, "onError") && { onError: fields["onError"] }), onNull: fields["onNull"] ?? null }, compile, "$convert");
}

export const conversionOperators: Readonly<Record<string, OperatorBuilder>> = {
  $convert: convertOperator,
  $dateFromString: dateFromString,
  $isNumber: onValues(1, 1, ([value]) => isNumber(value)),
  $toBool: to("bool"),
  $toDate: to("date"),
  $toDecimal: to("decimal"),
  $toDouble: to("double"),
  $toInt: to("int"),
  $toLong: to("long"),
  $toObjectId: to("objectId"),
  $toString: to("string"),
  $type: onValues(1, 1, ([value]) => typeName(value)),
};
