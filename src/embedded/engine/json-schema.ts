/*
 * The part of $jsonSchema that collection validators use; a keyword outside it is refused by name.
 * Before it: a validator given to create or collMod; after it: validator.ts.
 */
import { EngineError } from "../engine-error.js";
import type { Doc } from "../semantics/bson-codec.js";
import { compareValues, valuesEqual } from "../semantics/compare.js";
import { compileMatcher } from "../semantics/matcher.js";
import { asNumber, isDoc, isNumber } from "./values.js";

type Check = (value: unknown) => boolean;
type Keyword = (operand: unknown, schema: Doc) => Check;

const ANNOTATIONS = new Set(["title", "description"]);
/** Read by the keyword they belong to. */
const COMPANIONS = new Set(["exclusiveMinimum", "exclusiveMaximum"]);

const KEYWORDS: Readonly<Record<string, Keyword>> = {
  bsonType: (operand) => hasType(operand),
  type: (operand) => hasType(jsonTypes(operand)),
  required: (operand) => required(operand),
  properties: (operand) => properties(operand),
  additionalProperties: (operand, schema) => additionalProperties(operand, schema),
  enum: (operand) => {
    const allowed = expectArray("enum", operand);
    return (value) => allowed.some((item) => valuesEqual(item, value));
  },
  minimum: (operand, schema) => bound("minimum", operand, schema["exclusiveMinimum"] === true ? (order) => order > 0 : (order) => order >= 0),
  maximum: (operand, schema) => bound("maximum", operand, schema["exclusiveMaximum"] === true ? (order) => order < 0 : (order) => order <= 0),
  minLength: (operand) => length("minLength", operand, (size, limit) => size >= limit),
  maxLength: (operand) => length("maxLength", operand, (size, limit) => size <= limit),
  pattern: (operand) => pattern(operand),
  items: (operand) => items(operand),
  minItems: (operand) => count("minItems", operand, (size, limit) => size >= limit),
  maxItems: (operand) => count("maxItems", operand, (size, limit) => size <= limit),
};

/** Throws EngineError 9 FailedToParse for what is not served or malformed. */
export function compileJsonSchema(schema: unknown): Check {
  if (!isDoc(schema)) throw failedToParse("$jsonSchema must be an object");
  const checks = Object.entries(schema)
    .filter(([keyword]) => !ANNOTATIONS.has(keyword) && !COMPANIONS.has(keyword))
    .map(([keyword, operand]) => {
      const make = Object.hasOwn(KEYWORDS, keyword) ? KEYWORDS[keyword] : undefined;
      if (!make) throw failedToParse(`Unknown $jsonSchema keyword: ${keyword}`);
      return make(operand, schema);
    });
  return (value) => checks.every((check) => check(value));
}

function hasType(operand: unknown): Check {
  const names = Array.isArray(operand) ? operand : [operand];
  if (names.length === 0 || !names.every((name) => typeof name === "string")) throw failedToParse("$jsonSchema keyword 'bsonType' must be a string or an array of strings");
  // $type on an array looks at its elements; wrapped in one more array, the value itself is the element.
  const matches = compileMatcher({ v: { $type: names } });
  return (value) => (Array.isArray(value) ? names.includes("array") : matches({ v: value }));
}

function jsonTypes(operand: unknown): unknown {
  const names = Array.isArray(operand) ? operand : [operand];
  return names.map((name) => {
    if (name === "integer") throw failedToParse("$jsonSchema type 'integer' is not currently supported");
    return name === "boolean" ? "bool" : name;
  });
}

function required(operand: unknown): Check {
  const names = expectArray("required", operand).map(String);
  return (value) => !isDoc(value) || names.every((name) => Object.hasOwn(value, name));
}

function properties(operand: unknown): Check {
  if (!isDoc(operand)) throw failedToParse("$jsonSchema keyword 'properties' must be an object");
  const checks = Object.entries(operand).map(([name, schema]) => [name, compileJsonSchema(schema)] as const);
  return (value) => !isDoc(value) || checks.every(([name, check]) => !Object.hasOwn(value, name) || check(value[name]));
}

function additionalProperties(operand: unknown, schema: Doc): Check {
  if (typeof operand !== "boolean" && !isDoc(operand)) throw failedToParse("$jsonSchema keyword 'additionalProperties' must be either an object or a boolean");
  const declared = isDoc(schema["properties"]) ? schema["properties"] : {};
  const check = typeof operand === "boolean" ? () => operand : compileJsonSchema(operand);
  return (value) => !isDoc(value) || Object.entries(value).every(([name, item]) => Object.hasOwn(declared, name) || check(item));
}

function bound(keyword: string, operand: unknown, holds: (order: number) => boolean): Check {
  if (!isNumber(operand)) throw failedToParse(`$jsonSchema keyword '${keyword}' must be a number`);
  return (value) => !isNumber(value) || holds(compareValues(value, operand));
}

function length(keyword: string, operand: unknown, holds: (size: number, limit: number) => boolean): Check {
  const limit = expectSize(keyword, operand);
  // JSON Schema counts code points, not UTF-16 units.
  return (value) => typeof value !== "string" || holds([...value].length, limit);
}

function count(keyword: string, operand: unknown, holds: (size: number, limit: number) => boolean): Check {
  const limit = expectSize(keyword, operand);
  return (value) => !Array.isArray(value) || holds(value.length, limit);
}

function pattern(operand: unknown): Check {
  if (typeof operand !== "string") throw failedToParse("$jsonSchema keyword 'pattern' must be a string");
  const matches = compileMatcher({ v: { $regex: operand } });
  return (value) => typeof value !== "string" || matches({ v: value });
}

function items(operand: unknown): Check {
  if (!isDoc(operand)) throw failedToParse("$jsonSchema keyword 'items' is served with one schema for all items only");
  const check = compileJsonSchema(operand);
  return (value) => !Array.isArray(value) || value.every(check);
}

function expectArray(keyword: string, operand: unknown): unknown[] {
  if (!Array.isArray(operand) || operand.length === 0) throw failedToParse(`$jsonSchema keyword '${keyword}' must be a non-empty array`);
  return operand;
}

function expectSize(keyword: string, operand: unknown): number {
  const size = asNumber(operand);
  if (!Number.isSafeInteger(size) || size < 0) throw failedToParse(`$jsonSchema keyword '${keyword}' must be a non-negative integer`);
  return size;
}

function failedToParse(message: string): EngineError {
  return new EngineError(9, "FailedToParse", message);
}
