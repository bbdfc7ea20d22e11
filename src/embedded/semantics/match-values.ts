/*
 * Tests on one value: equality, order within a type, sets, types, remainders, bits.
 * Before it: the matcher, which knows paths and arrays; nothing after it.
 */
import { Binary, BSONSymbol, ObjectId } from "bson";
import { EngineError } from "../engine-error.js";
import { describe, isOperatorObject, KIND, kindOf, typeCode } from "./bson-kinds.js";
import { compareSameKind, regexOf, stringOf } from "./compare.js";
import { compareNumbers, plainNumber, toInteger, truncateParts } from "./numbers.js";
import type { ValueTest } from "./path-match.js";
import { compileRegex } from "./regex.js";

export const badValue = (message: string): EngineError => new EngineError(2, "BadValue", message);

/** Null also stands for a missing field; a regular expression only for itself. */
export function equalTo(operand: unknown): ValueTest {
  const kind = kindOf(operand);
  if (kind === KIND.string) {
    const text = stringOf(operand);
    return (value) => value === text || (value instanceof BSONSymbol && value.value === text);
  }
  if (kind === KIND.null || kind === KIND.missing) return (value) => value === null || value === undefined;
  if (kind === KIND.number) {
    const number = plainNumber(operand);
    return (value) => kindOf(value) === kind && compareNumbers(plainNumber(value), number) === 0;
  }
  if (operand instanceof ObjectId) return (value) => value instanceof ObjectId && value.equals(operand);
  return (value) => kindOf(value) === kind && compareSameKind(kind, value, operand) === 0;
}

type Ordering = "$gt" | "$gte" | "$lt" | "$lte";

/** Values of another type never match; MinKey and MaxKey compare with all; NaN only with itself. */
export function ordered(operator: Ordering, operand: unknown): ValueTest {
  const kind = kindOf(operand);
  const orEqual = operator.endsWith("e");
  if (kind === KIND.regex) throw badValue("Can't have RegEx as arg to predicate over field");
  if (kind === KIND.null || kind === KIND.missing) return orEqual ? equalTo(null) : () => false;
  if (kind === KIND.number && Number.isNaN(plainNumber(operand))) return orEqual ? equalTo(operand) : () => false;
  const wanted = operator.startsWith("$gt") ? 1 : -1;
  if (kind === KIND.minKey || kind === KIND.maxKey) return orderedToExtreme(kind, wanted, orEqual);
  return (value) => {
    if (kindOf(value) !== kind) return false;
    if (kind === KIND.number && Number.isNaN(plainNumber(value))) return false;
    const order = compareSameKind(kind, value, operand);
    return order === 0 ? orEqual : order > 0 === wanted > 0;
  };
}

function orderedToExtreme(kind: number, wanted: number, orEqual: boolean): ValueTest {
  const everythingElse = (kind === KIND.minKey) === wanted > 0;
  return (value) => (kindOf(value) === kind ? orEqual : everythingElse);
}

/** A regular expression matches the texts it describes, and itself as a stored value. */
export function matchesRegex(operand: unknown): ValueTest {
  const pattern = compileRegex(regexOf(operand));
  const same = equalTo(operand);
  return (value) => (kindOf(value) === KIND.string ? pattern.test(stringOf(value)) : same(value));
}

export function isIn(operator: string, operand: unknown): ValueTest {
  if (!Array.isArray(operand)) throw badValue(`${operator} needs an array`);
  const texts = new Set<string>();
  const tests: ValueTest[] = [];
  for (const item of operand as unknown[]) {
    if (isOperatorObject(item)) throw badValue(`cannot nest $ under ${operator}`);
    if (kindOf(item) === KIND.string) texts.add(stringOf(item));
    else tests.push(kindOf(item) === KIND.regex ? matchesRegex(item) : equalTo(item));
  }
  return (value) => (kindOf(value) === KIND.string && texts.has(stringOf(value))) || tests.some((test) => test(value));
}

const TYPE_CODES: Readonly<Record<string, number>> = {
  double: 1, string: 2, object: 3, array: 4, binData: 5, undefined: 6, objectId: 7, bool: 8, date: 9, null: 10, regex: 11,
  dbPointer: 12, javascript: 13, symbol: 14, javascriptWithScope: 15, int: 16, timestamp: 17, long: 18, decimal: 19, minKey: -1, maxKey: 127,
};
const KNOWN_CODES = new Set(Object.values(TYPE_CODES));

export function hasType(operand: unknown): ValueTest {
  const wanted = Array.isArray(operand) ? (operand as unknown[]) : [operand];
  if (wanted.length === 0) throw new EngineError(9, "FailedToParse", "$type must match at least one type");
  const codes = new Set(wanted.flatMap(typeCodes));
  return (value) => value !== undefined && codes.has(typeCode(value));
}

function typeCodes(wanted: unknown): number[] {
  if (wanted === "number") return [1, 16, 18, 19];
  if (typeof wanted === "string") {
    const code = Object.hasOwn(TYPE_CODES, wanted) ? TYPE_CODES[wanted] : undefined;
    if (code === undefined) throw badValue(`Unknown type name alias: ${wanted}`);
    return [code];
  }
  if (kindOf(wanted) !== KIND.number) throw new EngineError(14, "TypeMismatch", "type must be represented as a number or a string");
  const code = Number(toInteger(plainNumber(wanted)) ?? Number.NaN);
  if (!KNOWN_CODES.has(code)) throw badValue(`Invalid numerical type code: ${describe(wanted)}`);
  return [code];
}

export function hasSize(operand: unknown): ValueTest {
  const size = kindOf(operand) === KIND.number ? toInteger(plainNumber(operand)) : undefined;
  if (size === undefined) throw badValue(`Failed to parse $size. Expected an integer: $size: ${describe(operand)}`);
  if (size < 0n) throw badValue(`Failed to parse $size. Expected a non-negative number in: $size: ${describe(operand)}`);
  return (value) => Array.isArray(value) && value.length === Number(size);
}

export function hasRemainder(operand: unknown): ValueTest {
  if (!Array.isArray(operand)) throw badValue("malformed mod, needs to be an array");
  if (operand.length < 2) throw badValue("malformed mod, not enough elements");
  if (operand.length > 2) throw badValue("malformed mod, too many elements");
  const [divisor, remainder] = operand.map(truncated);
  if (divisor === undefined) throw badValue("malformed mod, divisor not a number");
  if (remainder === undefined) throw badValue("malformed mod, remainder not a number");
  if (divisor === 0n) throw badValue("divisor cannot be 0");
  return (value) => {
    const whole = truncated(value);
    return whole !== undefined && whole % divisor === remainder;
  };
}

/** Towards zero, as $mod reads 4.5; nothing for what no 64-bit integer can hold. */
function truncated(value: unknown): bigint | undefined {
  if (kindOf(value) !== KIND.number) return undefined;
  const number = plainNumber(value);
  if (typeof number === "bigint") return number;
  if (typeof number === "object") return number.exponent > 20 ? undefined : truncateParts(number);
  return Math.abs(number) < 2 ** 63 ? BigInt(Math.trunc(number)) : undefined;
}

type BitTest = "$bitsAllSet" | "$bitsAllClear" | "$bitsAnySet" | "$bitsAnyClear";

export function hasBits(operator: BitTest, operand: unknown): ValueTest {
  const positions = bitPositions(operator, operand);
  const wanted = operator.endsWith("Set");
  const all = operator.includes("All");
  return (value) => {
    const bitAt = bitReader(value);
    if (bitAt === undefined) return false;
    return all ? positions.every((at) => bitAt(at) === wanted) : positions.some((at) => bitAt(at) === wanted);
  };
}

function bitPositions(operator: string, operand: unknown): number[] {
  if (Array.isArray(operand)) return operand.map((item) => bitPosition(operator, item));
  const bitAt = bitReader(operand);
  const whole = kindOf(operand) === KIND.number ? toInteger(plainNumber(operand)) : 0n;
  if (bitAt === undefined || whole === undefined || whole < 0n) {
    throw badValue(`${operator} takes an Array, a non-negative number, or a BinData but received: ${describe(operand)}`);
  }
  const count = operand instanceof Binary ? operand.position * 8 : 64;
  return Array.from({ length: count }, (_, at) => at).filter(bitAt);
}

function bitPosition(operator: string, item: unknown): number {
  const at = kindOf(item) === KIND.number ? toInteger(plainNumber(item)) : undefined;
  if (at === undefined || at < 0n) throw badValue(`Failed to parse bit position. Expected a non-negative integer in: ${operator}: ${describe(item)}`);
  return Number(at);
}

/** Bits past the end of an integer repeat its sign; those past the end of a binary are clear. */
function bitReader(value: unknown): ((at: number) => boolean) | undefined {
  if (value instanceof Binary) return (at) => at < value.position * 8 && ((value.buffer[at >> 3]! >> (at & 7)) & 1) === 1;
  const whole = kindOf(value) === KIND.number ? toInteger(plainNumber(value)) : undefined;
  if (whole === undefined || BigInt.asIntN(64, whole) !== whole) return undefined;
  return (at) => ((whole >> BigInt(Math.min(at, 63))) & 1n) === 1n;
}
