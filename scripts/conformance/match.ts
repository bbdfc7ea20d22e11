import { Binary, BSON, Decimal128, Double, Int32, Long, ObjectId, Timestamp } from "mongodb";
import { Deviation } from "./outcomes.js";
import type { Spec } from "./spec-file.js";

/** Looks up what `$$matchesEntity` and `$$sessionLsid` name. */
export interface EntityLookup {
  value(id: string): unknown;
  lsid(id: string): unknown;
}

const { EJSON } = BSON;

const TYPE_CHECKS: Readonly<Record<string, (value: unknown) => boolean>> = {
  double: isNumber,
  string: (value) => typeof value === "string",
  object: isDocument,
  array: Array.isArray,
  binData: (value) => value instanceof Binary,
  objectId: (value) => value instanceof ObjectId,
  bool: (value) => typeof value === "boolean",
  date: (value) => value instanceof Date,
  null: (value) => value === null,
  int: isNumber,
  long: isNumber,
  number: isNumber,
  timestamp: (value) => value instanceof Timestamp,
  decimal: (value) => value instanceof Decimal128,
};

/**
 * Throws Deviation, naming the place, unless `actual` matches by the rules of the unified test format:
 * a document at the root may have more fields than expected, one further in may not.
 */
export function match(expected: unknown, actual: unknown, entities: EntityLookup, at = "result", isRoot = true): void {
  if (actual instanceof Map) {
    // The driver keeps a sort in a Map, where the order of number-like names survives.
    match(expected, Object.fromEntries(actual), entities, at, isRoot);
    return;
  }
  if (isDocument(expected)) {
    const [operator] = Object.keys(expected);
    if (operator?.startsWith("$$")) matchOperator(operator, expected[operator], actual, entities, at, isRoot);
    else matchDocument(expected, actual, entities, at, isRoot);
    return;
  }
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual) || actual.length !== expected.length) throw differ(at, expected, actual);
    // Elements of an array at the root are documents at the root: results of a find.
    expected.forEach((item, index) => match(item, actual[index], entities, `${at}[${index}]`, isRoot && at === "result"));
    return;
  }
  if (!sameScalar(expected, actual)) throw differ(at, expected, actual);
}

function matchDocument(expected: Spec, actual: unknown, entities: EntityLookup, at: string, isRoot: boolean): void {
  if (!isDocument(actual)) throw differ(at, expected, actual);
  for (const [key, value] of Object.entries(expected)) match(value, actual[key], entities, `${at}.${key}`, false);
  if (isRoot) return;
  const stranger = Object.keys(actual).find((key) => actual[key] !== undefined && !Object.hasOwn(expected, key));
  if (stranger !== undefined) throw new Deviation(`${at}.${stranger}: got ${show(actual[stranger])}, expected no such field`);
}

function matchOperator(operator: string, operand: unknown, actual: unknown, entities: EntityLookup, at: string, isRoot: boolean): void {
  switch (operator) {
    case "$$exists":
      if ((actual !== undefined) !== operand) throw new Deviation(`${at}: got ${show(actual)}, expected ${operand === true ? "a value" : "no value"}`);
      return;
    case "$$type":
      if (![operand].flat().some((type) => TYPE_CHECKS[String(type)]?.(actual) === true)) throw differ(at, { $$type: operand }, actual);
      return;
    case "$$unsetOrMatches":
      if (actual !== undefined && actual !== null) match(operand, actual, entities, at, isRoot);
      return;
    case "$$matchesEntity":
      match(entities.value(String(operand)), actual, entities, at, isRoot);
      return;
    case "$$sessionLsid":
      match(entities.lsid(String(operand)), actual, entities, at, false);
      return;
    case "$$lte":
      if (!isNumber(actual) || Number(actual) > Number(operand)) throw differ(at, { $$lte: operand }, actual);
      return;
    case "$$matchAsRoot":
      match(operand, actual, entities, at, true);
      return;
    case "$$matchAsDocument":
      match(operand, typeof actual === "string" ? EJSON.parse(actual) : actual, entities, at, isRoot);
      return;
    case "$$matchesHexBytes":
      if (!(actual instanceof Uint8Array) || Buffer.from(actual).toString("hex") !== operand) throw differ(at, operand, actual);
      return;
    default:
      throw new Deviation(`${at}: the matcher ${operator} is unknown to this runner`);
  }
}

function isNumber(value: unknown): boolean {
  return typeof value === "number" || value instanceof Int32 || value instanceof Double || value instanceof Long || typeof value === "bigint";
}

function isDocument(value: unknown): value is Spec {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !("_bsontype" in value) && !(value instanceof Date) && !(value instanceof Uint8Array);
}

function sameScalar(expected: unknown, actual: unknown): boolean {
  if (expected === actual) return true;
  if (isNumber(expected) && isNumber(actual)) return Number(expected) === Number(actual);
  if (expected === null || actual === null || typeof expected !== "object" || typeof actual !== "object") return false;
  return EJSON.stringify({ value: expected }, { relaxed: true }) === EJSON.stringify({ value: actual }, { relaxed: true });
}

function differ(at: string, expected: unknown, actual: unknown): Deviation {
  return new Deviation(`${at}: got ${show(actual)}, expected ${show(expected)}`);
}

export function show(value: unknown): string {
  const text = value === undefined ? "nothing" : EJSON.stringify({ value }, { relaxed: true }).slice(9, -1);
  return text.length > 300 ? `${text.slice(0, 300)}...` : text;
}
