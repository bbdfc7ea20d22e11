/*
 * A filter compiled once into a test of documents, with MongoDB's meaning of every operator.
 * Before it: find, update, delete, $match; after it: paths (path-match) and single values (match-values).
 */
import { BSONRegExp } from "bson";
import { EngineError } from "../engine-error.js";
import type { Doc } from "./bson-codec.js";
import { truthy } from "./arithmetic.js";
import { describe, isObject, isOperatorObject, KIND, kindOf } from "./bson-kinds.js";
import { regexOf, stringOf } from "./compare.js";
import { compileExpression, variables } from "./expression.js";
import type { Variables } from "./expression-types.js";
import { compileJsonSchema } from "./json-schema.js";
import {
  badValue, equalTo, hasBits, hasRemainder, hasSize, hasType, isIn, matchesRegex, ordered,
} from "./match-values.js";
import { compilePath, type ValueTest } from "./path-match.js";

export type Matcher = (doc: Doc) => boolean;

/** On a path of a document, or on one element of an array: what a test is applied to. */
type Bind = (test: ValueTest, expandLeaf: boolean) => ValueTest;

/** Operators MongoDB has and this engine does not; refused by name, never ignored. */
const NOT_SERVED = new Set(["$where", "$text", "$geoWithin", "$geoIntersects", "$near", "$nearSphere", "$sampleRate"]);

/** Throws EngineError 2 BadValue for operators and operands MongoDB refuses. */
export function compileMatcher(filter: Doc, options: { let?: Doc } = {}): Matcher {
  return compileFilter(filter, variables(options.let));
}

function compileFilter(filter: Doc, vars: Variables): Matcher {
  const parts: Matcher[] = [];
  for (const [key, operand] of Object.entries(filter)) {
    if (key === "$comment") continue;
    parts.push(key.startsWith("$") ? compileTopLevel(key, operand, vars) : compileField(key, operand, vars));
  }
  return every(parts);
}

function every<T>(tests: readonly ((subject: T) => boolean)[]): (subject: T) => boolean {
  const [first, second] = tests;
  if (first === undefined) return () => true;
  if (second === undefined) return first;
  if (tests.length === 2) return (subject) => first(subject) && second(subject);
  return (subject) => tests.every((test) => test(subject));
}

function compileTopLevel(operator: string, operand: unknown, vars: Variables): Matcher {
  switch (operator) {
    case "$and":
      return every(branches(operator, operand, vars));
    case "$or": {
      const any = branches(operator, operand, vars);
      return (doc) => any.some((test) => test(doc));
    }
    case "$nor": {
      const none = branches(operator, operand, vars);
      return (doc) => !none.some((test) => test(doc));
    }
    case "$expr": {
      const evaluate = compileExpression(operand, vars);
      return (doc) => truthy(evaluate({ root: doc, vars }));
    }
    case "$jsonSchema":
      return compileJsonSchema(operand);
  }
  if (NOT_SERVED.has(operator)) throw notServed(operator);
  throw badValue(
    `unknown top level operator: ${operator}. If you have a field name that starts with a '$' symbol, consider using $getField or $setField.`,
  );
}

const notServed = (operator: string): EngineError => new EngineError(115, "CommandNotSupported", `${operator} is not served by this engine`);

function branches(operator: string, operand: unknown, vars: Variables): Matcher[] {
  if (!Array.isArray(operand)) throw badValue(`${operator} must be an array`);
  if (operand.length === 0) throw badValue("$and/$or/$nor must be a nonempty array");
  return operand.map((branch: unknown) => {
    if (!isObject(branch)) throw badValue("$or/$and/$nor entries need to be full objects");
    return compileFilter(branch, vars);
  });
}

function compileField(path: string, operand: unknown, vars: Variables): Matcher {
  const bind: Bind = (test, expandLeaf) => compilePath(path, test, expandLeaf) as ValueTest;
  if (isOperatorObject(operand) && !isReference(operand)) return compileOperators(operand, bind, vars) as Matcher;
  return bind(valueTest(operand), true) as Matcher;
}

/** `{$ref, $id}` is a value, not a set of operators. */
const isReference = (operand: Doc): boolean => Object.hasOwn(operand, "$ref") || Object.hasOwn(operand, "$id");

/** What a bare value in a filter, in $in or in $all asks for. */
function valueTest(operand: unknown): ValueTest {
  return kindOf(operand) === KIND.regex ? matchesRegex(operand) : equalTo(operand);
}

/** `{$gt: 1, $lt: 5}`: all of them, each free to be satisfied by another element of an array. */
function compileOperators(operators: Doc, bind: Bind, vars: Variables): ValueTest {
  const tests: ValueTest[] = [];
  for (const [operator, operand] of Object.entries(operators)) {
    tests.push(compileOperator(operator, operand, operators, bind, vars));
  }
  return every(tests);
}

const not =
  (test: ValueTest): ValueTest =>
  (subject) =>
    !test(subject);

function compileOperator(operator: string, operand: unknown, siblings: Doc, bind: Bind, vars: Variables): ValueTest {
  switch (operator) {
    case "$eq":
      return bind(equalTo(operand), true);
    case "$ne":
      if (kindOf(operand) === KIND.regex) throw badValue("Can't have regex as arg to $ne.");
      return not(bind(equalTo(operand), true));
    case "$gt":
    case "$gte":
    case "$lt":
    case "$lte":
      return bind(ordered(operator, operand), true);
    case "$in":
      return bind(isIn(operator, operand), true);
    case "$nin":
      return not(bind(isIn(operator, operand), true));
    case "$exists":
      return truthy(operand) ? bind((value) => value !== undefined, true) : not(bind((value) => value !== undefined, true));
    case "$type":
      return bind(hasType(operand), true);
    case "$mod":
      return bind(hasRemainder(operand), true);
    case "$size":
      return bind(hasSize(operand), false);
    case "$regex":
      return bind(matchesRegex(regexOperand(operand, siblings["$options"])), true);
    case "$options":
      if (!Object.hasOwn(siblings, "$regex")) throw badValue("$options needs a $regex");
      return () => true;
    case "$bitsAllSet":
    case "$bitsAllClear":
    case "$bitsAnySet":
    case "$bitsAnyClear":
      return bind(hasBits(operator, operand), true);
    case "$not":
      return not(compileNot(operand, bind, vars));
    case "$all":
      return compileAll(operand, bind, vars);
    case "$elemMatch":
      return bind(compileElemMatch(operand, vars), false);
    case "$comment":
      return () => true;
  }
  if (NOT_SERVED.has(operator)) throw notServed(operator);
  throw badValue(`unknown operator: ${operator}`);
}

function regexOperand(operand: unknown, options: unknown): BSONRegExp {
  const kind = kindOf(operand);
  if (kind !== KIND.string && kind !== KIND.regex) throw badValue("$regex has to be a string");
  if (options !== undefined && kindOf(options) !== KIND.string) throw badValue("$options has to be a string");
  const parts = kind === KIND.regex ? regexOf(operand) : { pattern: stringOf(operand), options: "" };
  if (options !== undefined && parts.options !== "") {
    throw new EngineError(51075, "Location51075", "options set in both $regex and $options");
  }
  const flags = options === undefined ? parts.options : stringOf(options);
  const unknown = /[^imsxu]/.exec(flags);
  if (unknown) throw new EngineError(51108, "Location51108", `invalid flag in regex options: ${unknown[0]}`);
  if (parts.pattern.includes("\0")) throw badValue("Regular expression cannot contain an embedded null byte");
  return new BSONRegExp(parts.pattern, flags);
}

function compileNot(operand: unknown, bind: Bind, vars: Variables): ValueTest {
  if (kindOf(operand) === KIND.regex) return bind(matchesRegex(operand), true);
  if (!isObject(operand)) throw badValue("$not needs a regex or a document");
  if (Object.keys(operand).length === 0) throw badValue("$not cannot be empty");
  return compileOperators(operand, bind, vars);
}

function compileAll(operand: unknown, bind: Bind, vars: Variables): ValueTest {
  if (!Array.isArray(operand)) throw badValue("$all needs an array");
  if (operand.length === 0) return () => false;
  return every(
    operand.map((item: unknown) => {
      if (isObject(item) && Object.hasOwn(item, "$elemMatch")) return compileOperators(item, bind, vars);
      if (isOperatorObject(item) && !isReference(item)) throw badValue("no $ expressions in $all");
      return bind(valueTest(item), true);
    }),
  );
}

function compileElemMatch(operand: unknown, vars: Variables): ValueTest {
  if (!isObject(operand)) throw badValue(`$elemMatch needs an Object, got ${describe(operand)}`);
  const test = compileElementTest(operand, vars);
  return (value) => Array.isArray(value) && value.some((item) => test(item));
}

const LOGICAL = new Set(["$and", "$or", "$nor"]);

/**
 * What $elemMatch and $pull ask of one element: operators on the value, or a filter on a document.
 * An array as element is read as a document whose fields are its positions.
 */
export function compileElementTest(operand: Doc, vars: Variables): ValueTest {
  const first = Object.keys(operand)[0];
  if (first?.startsWith("$") && !LOGICAL.has(first) && !isReference(operand)) {
    return compileOperators(operand, (test) => test, vars);
  }
  const test = compileFilter(operand, vars);
  return (item) => (Array.isArray(item) ? test({ ...(item as unknown[] as unknown as Doc) }) : isObject(item) && test(item));
}
