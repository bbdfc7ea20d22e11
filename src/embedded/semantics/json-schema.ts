/*
 * $jsonSchema: JSON Schema draft 4 with BSON's types, as validators of collections use it.
 * Before it: the matcher; after it: tests on single values.
 */
import { EngineError } from "../engine-error.js";
import { doubleOf, isNumber, isZero, remainder } from "./arithmetic.js";
import type { Doc } from "./bson-codec.js";
import { describe, isObject } from "./bson-kinds.js";
import { compareValues, valuesEqual } from "./compare.js";
import { encodeKey } from "./key-encoding.js";
import { hasType } from "./match-values.js";
import type { ValueTest } from "./path-match.js";
import { compileRegex } from "./regex.js";

type Keyword = (operand: unknown, schema: Doc) => ValueTest;

const parseError = (message: string): EngineError => new EngineError(9, "FailedToParse", `$jsonSchema ${message}`);

/** Throws EngineError 9 for unknown keywords and 14 for operands of the wrong type. */
export function compileJsonSchema(schema: unknown): (doc: Doc) => boolean {
  return compile(schema, "");
}

function compile(schema: unknown, keyword: string): ValueTest {
  if (!isObject(schema)) throw wrongType(keyword, "an object", schema);
  const tests = Object.entries(schema).flatMap(([name, operand]) => {
    if (name === "title" || name === "description") return [];
    const keyword = KEYWORDS.get(name);
    if (!keyword) throw parseError(`does not serve the keyword: ${name}`);
    return [keyword(operand, schema)];
  });
  return (value) => tests.every((test) => test(value));
}

const wrongType = (keyword: string, wanted: string, got: unknown): EngineError =>
  new EngineError(14, "TypeMismatch", `$jsonSchema keyword '${keyword}' must be ${wanted}, but found ${describe(got)}`);

const isText: ValueTest = (value) => typeof value === "string";
const isArray = (value: unknown): value is unknown[] => Array.isArray(value);

/** A keyword says nothing about values of another type. */
const only =
  (applies: (value: unknown) => boolean, test: ValueTest): ValueTest =>
  (value) =>
    !applies(value) || test(value);

const JSON_TYPES: Readonly<Record<string, unknown>> = { object: "object", array: "array", number: "number", boolean: "bool", string: "string", null: "null" };

const jsonType: Keyword = (operand) => {
  const names: unknown[] = isArray(operand) ? operand : [operand];
  return hasType(
    names.map((name) => {
      const type = typeof name === "string" && Object.hasOwn(JSON_TYPES, name) ? JSON_TYPES[name] : undefined;
      if (type === undefined) throw parseError(`type must be one of ${Object.keys(JSON_TYPES).join(", ")}, got ${describe(name)}`);
      return type;
    }),
  );
};

function texts(keyword: string, operand: unknown): string[] {
  if (!isArray(operand) || operand.length === 0 || !operand.every(isText)) throw wrongType(keyword, "an array of one or more strings", operand);
  return operand as string[];
}

function size(keyword: string, operand: unknown): number {
  if (!isNumber(operand) || !Number.isInteger(doubleOf(operand)) || doubleOf(operand) < 0) throw wrongType(keyword, "a non-negative whole number", operand);
  return doubleOf(operand);
}

/** A bound on a count of items, properties or code points. */
const counted =
  (keyword: string, applies: (value: unknown) => boolean, count: (value: unknown) => number, holds: (count: number, limit: number) => boolean): Keyword =>
  (operand) => {
    const limit = size(keyword, operand);
    return only(applies, (value) => holds(count(value), limit));
  };

const least = (count: number, limit: number): boolean => count >= limit;
const most = (count: number, limit: number): boolean => count <= limit;
const lengthOf = (value: unknown): number => [...(value as string)].length;
const itemsOf = (value: unknown): number => (value as unknown[]).length;
const fieldsOf = (value: unknown): number => Object.keys(value as Doc).length;

const bounded =
  (keyword: string, side: 1 | -1, exclusive: string): Keyword =>
  (operand, schema) => {
    if (!isNumber(operand)) throw wrongType(keyword, "a number", operand);
    const strict = schema[exclusive] === true;
    return only(isNumber, (value) => {
      const order = compareValues(value, operand) * side;
      return strict ? order > 0 : order >= 0;
    });
  };

const flag = (keyword: string, beside?: string): Keyword => (operand, schema) => {
  if (typeof operand !== "boolean") throw wrongType(keyword, "a boolean", operand);
  if (beside !== undefined && !Object.hasOwn(schema, beside)) throw parseError(`keyword '${beside}' must be present if '${keyword}' is`);
  return () => true;
};

const multipleOf: Keyword = (operand) => {
  if (!isNumber(operand) || doubleOf(operand) <= 0) throw wrongType("multipleOf", "a positive number", operand);
  return only(isNumber, (value) => isZero(remainder(value, operand)));
};

function patternTest(keyword: string, operand: unknown): (text: string) => boolean {
  if (typeof operand !== "string") throw wrongType(keyword, "a string", operand);
  const regex = compileRegex({ pattern: operand, options: "" });
  return (text) => regex.test(text);
}

const required: Keyword = (operand) => {
  const names = texts("required", operand);
  return only(isObject, (value) => names.every((name) => Object.hasOwn(value as Doc, name)));
};

const properties: Keyword = (operand) => {
  if (!isObject(operand)) throw wrongType("properties", "an object", operand);
  const tests = Object.entries(operand).map(([name, schema]): [string, ValueTest] => [name, compile(schema, name)]);
  return only(isObject, (value) => tests.every(([name, test]) => !Object.hasOwn(value as Doc, name) || test((value as Doc)[name])));
};

function patterns(operand: unknown): [(text: string) => boolean, ValueTest][] {
  if (!isObject(operand)) throw wrongType("patternProperties", "an object", operand);
  return Object.entries(operand).map(([pattern, schema]) => [patternTest("patternProperties", pattern), compile(schema, pattern)]);
}

const patternProperties: Keyword = (operand) => {
  const tests = patterns(operand);
  return only(isObject, (value) => Object.entries(value as Doc).every(([key, item]) => tests.every(([names, test]) => !names(key) || test(item))));
};

const additional = (keyword: string, operand: unknown): ValueTest => (typeof operand === "boolean" ? () => operand : compile(operand, keyword));

const additionalProperties: Keyword = (operand, schema) => {
  const test = additional("additionalProperties", operand);
  const known = new Set(isObject(schema["properties"]) ? Object.keys(schema["properties"]) : []);
  const named = patterns(schema["patternProperties"] ?? {});
  return only(isObject, (value) => Object.entries(value as Doc).every(([key, item]) => known.has(key) || named.some(([names]) => names(key)) || test(item)));
};

const items: Keyword = (operand) => {
  if (!isArray(operand)) {
    const test = compile(operand, "items");
    return only(isArray, (value) => (value as unknown[]).every(test));
  }
  const tests = operand.map((schema) => compile(schema, "items"));
  return only(isArray, (value) => tests.every((test, i) => i >= itemsOf(value) || test((value as unknown[])[i])));
};

const additionalItems: Keyword = (operand, schema) => {
  const test = additional("additionalItems", operand);
  const first = isArray(schema["items"]) ? schema["items"].length : Infinity;
  return only(isArray, (value) => (value as unknown[]).slice(first).every(test));
};

const isSet: ValueTest = (value) => new Set((value as unknown[]).map((item) => encodeKey([item]).toString("latin1"))).size === itemsOf(value);

const enumeration: Keyword = (operand) => {
  if (!isArray(operand) || operand.length === 0) throw wrongType("enum", "an array of one or more values", operand);
  return (value) => operand.some((item) => valuesEqual(item, value));
};

const combined = (keyword: string, holds: (tests: ValueTest[], value: unknown) => boolean): Keyword => (operand) => {
  if (!isArray(operand) || operand.length === 0) throw wrongType(keyword, "an array of one or more schemas", operand);
  const tests = operand.map((schema) => compile(schema, keyword));
  return (value) => holds(tests, value);
};

const KEYWORDS: ReadonlyMap<string, Keyword> = new Map<string, Keyword>(
  Object.entries({
    additionalItems,
    additionalProperties,
    allOf: combined("allOf", (tests, value) => tests.every((test) => test(value))),
    anyOf: combined("anyOf", (tests, value) => tests.some((test) => test(value))),
    bsonType: (operand) => hasType(operand),
    enum: enumeration,
    exclusiveMaximum: flag("exclusiveMaximum", "maximum"),
    exclusiveMinimum: flag("exclusiveMinimum", "minimum"),
    items,
    maximum: bounded("maximum", -1, "exclusiveMaximum"),
    maxItems: counted("maxItems", isArray, itemsOf, most),
    maxLength: counted("maxLength", isText, lengthOf, most),
    maxProperties: counted("maxProperties", isObject, fieldsOf, most),
    minimum: bounded("minimum", 1, "exclusiveMinimum"),
    minItems: counted("minItems", isArray, itemsOf, least),
    minLength: counted("minLength", isText, lengthOf, least),
    minProperties: counted("minProperties", isObject, fieldsOf, least),
    multipleOf,
    not: (operand) => {
      const test = compile(operand, "not");
      return (value) => !test(value);
    },
    oneOf: combined("oneOf", (tests, value) => tests.filter((test) => test(value)).length === 1),
    pattern: (operand) => {
      const test = patternTest("pattern", operand);
      return only(isText, (value) => test(value as string));
    },
    patternProperties,
    properties,
    required,
    type: jsonType,
    uniqueItems: (operand) => {
      if (typeof operand !== "boolean") throw wrongType("uniqueItems", "a boolean", operand);
      return operand ? only(isArray, isSet) : () => true;
    },
  } satisfies Record<string, Keyword>),
);
