/*
 * An aggregation expression compiled once into a function of a document and its variables.
 * Before it: $project, $group, $expr, updates by pipeline; after it: the families of operators.
 */
import { EngineError } from "../engine-error.js";
import { accumulatorExpressions } from "./accumulators.js";
import type { Doc } from "./bson-codec.js";
import { describe, isObject, own, put } from "./bson-kinds.js";
import { arithmeticOperators } from "./expression-arithmetic.js";
import { arrayOperators } from "./expression-arrays.js";
import { conversionOperators } from "./expression-conversions.js";
import { dateOperators } from "./expression-dates.js";
import { logicOperators } from "./expression-logic.js";
import { objectOperators } from "./expression-objects.js";
import { location } from "./expression-operands.js";
import { setOperators } from "./expression-sets.js";
import { stringOperators } from "./expression-strings.js";
import type { Compile, Evaluate, Frame, OperatorBuilder, Variables } from "./expression-types.js";

const OPERATORS = new Map<string, OperatorBuilder>(
  [
    accumulatorExpressions, arithmeticOperators, arrayOperators, conversionOperators, dateOperators,
    logicOperators, objectOperators, setOperators, stringOperators,
  ].flatMap((family) => Object.entries(family)),
);

/** The variables of one command: those of its `let`, and the time it began as $$NOW. */
export function variables(letValues: Doc = {}): Variables {
  const vars: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  return Object.assign(vars, { NOW: new Date() }, letValues);
}

/**
 * Throws EngineError 168 InvalidPipelineOperator for an unknown operator, 17276 for an undefined variable.
 * The frame it is evaluated on must hold at least `vars`.
 */
export function compileExpression(expression: unknown, vars: Variables): Evaluate {
  return compilerFor(new Set(Object.keys(vars)))(expression);
}

function compilerFor(names: ReadonlySet<string>): Compile {
  const compile: Compile = (expression, added) => {
    if (added && added.length > 0) return compilerFor(new Set([...names, ...added]))(expression);
    if (typeof expression === "string" && expression.startsWith("$")) return compilePath(expression, names);
    if (Array.isArray(expression)) return compileArray(expression, compile);
    if (isObject(expression)) return compileObject(expression, compile);
    return () => expression;
  };
  return compile;
}

function compileArray(items: readonly unknown[], compile: Compile): Evaluate {
  const list = items.map((item) => compile(item));
  return (frame) => list.map((evaluate) => evaluate(frame) ?? null);
}

function compileObject(expression: Doc, compile: Compile): Evaluate {
  const keys = Object.keys(expression);
  const operator = keys.find((key) => key.startsWith("$"));
  if (operator !== undefined) {
    if (keys.length > 1) throw location(15983, `An object representing an expression must have exactly one field: ${describe(expression)}`);
    return compileOperator(operator, expression[operator], compile);
  }
  const fields = keys.map((key): [string, Evaluate] => [fieldName(key), compile(expression[key])]);
  return (frame) => {
    const doc: Doc = {};
    for (const [key, evaluate] of fields) {
      const value = evaluate(frame);
      if (value !== undefined) put(doc, key, value);
    }
    return doc;
  };
}

function fieldName(key: string): string {
  if (key.includes(".")) throw location(16412, `FieldPath field names may not contain '.'. Got '${key}' in an expression object`);
  return key;
}

function compileOperator(operator: string, operand: unknown, compile: Compile): Evaluate {
  const builder = OPERATORS.get(operator);
  if (!builder) throw new EngineError(168, "InvalidPipelineOperator", `Unrecognized expression '${operator}'`);
  return builder(operand, compile, operator);
}

function compilePath(text: string, names: ReadonlySet<string>): Evaluate {
  if (text.startsWith("$$")) return compileVariable(text.slice(2), names);
  const parts = pathParts(text.slice(1));
  const [first] = parts;
  if (parts.length === 1) return (frame) => own(frame.root, first!);
  return (frame) => valueAt(frame.root, parts, 0);
}

/** Throws 16872, 15998 or 16410 for what is no path. */
export function pathParts(path: string): string[] {
  if (path === "") throw location(16872, "'$' by itself is not a valid FieldPath");
  const parts = path.split(".");
  for (const part of parts) {
    if (part === "") throw location(15998, `FieldPath field names may not be empty strings, got '${path}'`);
    if (part.startsWith("$")) throw location(16410, `FieldPath field names may not start with '$', got '${path}'. Consider using $getField or $setField.`);
  }
  return parts;
}

function compileVariable(text: string, names: ReadonlySet<string>): Evaluate {
  const [name = "", ...rest] = text.split(".");
  const base = variableReader(name, names);
  if (rest.length === 0) return base;
  const parts = pathParts(rest.join("."));
  return (frame) => valueAt(base(frame), parts, 0);
}

function variableReader(name: string, names: ReadonlySet<string>): Evaluate {
  if (names.has(name)) return (frame: Frame) => frame.vars[name];
  if (name === "ROOT" || name === "CURRENT") return (frame) => frame.root;
  if (name === "REMOVE") return () => undefined;
  throw location(17276, `Use of undefined variable: ${name}`);
}

/** An array on the way gives the array of what its elements have there; positions are not names here. */
function valueAt(value: unknown, parts: readonly string[], at: number): unknown {
  if (at === parts.length) return value;
  if (isObject(value)) return valueAt(own(value, parts[at]!), parts, at + 1);
  if (!Array.isArray(value)) return undefined;
  const found: unknown[] = [];
  for (const item of value as unknown[]) {
    const inner = valueAt(item, parts, at);
    if (inner !== undefined) found.push(inner);
  }
  return found;
}
