/*
 * $group, $bucket, $sortByCount and $count: many documents into few.
 * Before it: pipeline.ts; after it: accumulators.
 */
import { Int32 } from "bson";
import { ACCUMULATORS, type Accumulator } from "./accumulators.js";
import type { Doc } from "./bson-codec.js";
import { describe, isObject, put, typeName } from "./bson-kinds.js";
import { compareValues } from "./compare.js";
import { compileExpression } from "./expression.js";
import { location, named } from "./expression-operands.js";
import type { Evaluate, Frame, Variables } from "./expression-types.js";
import { encodeKey } from "./key-encoding.js";
import type { PipelineItem, Stage } from "./pipeline-types.js";

interface OutputField {
  name: string;
  create: () => Accumulator;
  evaluate: Evaluate;
}

interface Group {
  id: unknown;
  totals: Accumulator[];
}

/** Throws 15955 without an _id, 40234 to 40238 and 15952 for wrong accumulators. */
export function groupStage(spec: unknown, vars: Variables): Stage {
  if (!isObject(spec)) throw location(15947, `a group's fields must be specified in an object, got ${typeName(spec)}`);
  if (!Object.hasOwn(spec, "_id")) throw location(15955, "a group specification must include an _id");
  const id = compileExpression(spec["_id"], vars);
  const outputs = outputFields(spec, vars, "_id");
  return (items) => collect(items, vars, (frame) => id(frame) ?? null, outputs);
}

function* collect(items: Iterable<PipelineItem>, vars: Variables, idOf: Evaluate, outputs: readonly OutputField[]): Iterable<PipelineItem> {
  const groups = new Map<string, Group>();
  for (const { doc, meta } of items) {
    const frame: Frame = { root: doc, vars, meta };
    const id = idOf(frame);
    const key = encodeKey([id]).toString("latin1");
    let group = groups.get(key);
    if (!group) groups.set(key, (group = { id, totals: outputs.map(({ create }) => create()) }));
    for (let i = 0; i < outputs.length; i++) group.totals[i]!.add(outputs[i]!.evaluate(frame));
  }
  for (const { id, totals } of groups.values()) {
    const doc: Doc = { _id: id };
    totals.forEach((total, i) => put(doc, outputs[i]!.name, total.result()));
    yield { doc };
  }
}

function outputFields(spec: Doc, vars: Variables, except: string): OutputField[] {
  return Object.entries(spec).flatMap(([name, operand]) => (name === except ? [] : [outputField(name, operand, vars)]));
}

function outputField(name: string, operand: unknown, vars: Variables): OutputField {
  if (!isObject(operand)) throw location(40234, `The field '${name}' must be an accumulator object`);
  if (name.includes(".")) throw location(40235, `The field name '${name}' cannot contain '.'`);
  if (name.startsWith("$")) throw location(40236, `The field name '${name}' cannot be an operator name`);
  const [operator = "", ...more] = Object.keys(operand);
  if (more.length > 0 || operator === "") throw location(40238, `The field '${name}' must specify one accumulator`);
  if (operator === "$count") return { name, create: ACCUMULATORS.get("$sum")!, evaluate: () => new Int32(1) };
  const create = ACCUMULATORS.get(operator);
  if (!create) throw location(15952, `unknown group operator '${operator}'`);
  return { name, create, evaluate: compileExpression(operand[operator], vars) };
}

const COUNT: OutputField = { name: "count", create: ACCUMULATORS.get("$sum")!, evaluate: () => new Int32(1) };

/** Most frequent first; equal counts in the order of first appearance. */
export function sortByCountStage(spec: unknown, vars: Variables): Stage {
  if (!isObject(spec) && !(typeof spec === "string" && spec.startsWith("$"))) {
    throw location(40149, `the sortByCount field must be specified as a $-prefixed path or an expression in an object, got ${describe(spec)}`);
  }
  const id = compileExpression(spec, vars);
  return (items) => [...collect(items, vars, (frame) => id(frame) ?? null, [COUNT])].toSorted((a, b) => compareValues(b.doc["count"], a.doc["count"]));
}

/** No document at all for an empty input, as in the server. */
export function countStage(spec: unknown): Stage {
  if (typeof spec !== "string" || spec === "") throw location(40156, `the count field must be a non-empty string, got ${describe(spec)}`);
  if (spec.startsWith("$") || spec.includes(".") || spec.includes("\0")) throw location(40158, `the count field must not start with '$' or contain '.', got '${spec}'`);
  return function* count(items) {
    const iterator = items[Symbol.iterator]();
    let total = 0;
    while (!iterator.next().done) total++;
    if (total > 0) yield { doc: { [spec]: new Int32(total) } };
  };
}

export function bucketStage(spec: unknown, vars: Variables): Stage {
  const fields = named("$bucket", spec, ["groupBy", "boundaries"], ["default", "output"]);
  const groupBy = compileExpression(fields["groupBy"], vars);
  const boundaries = bucketBoundaries(fields["boundaries"]);
  const output = fields["output"];
  if (output !== undefined && !isObject(output)) throw location(40196, `The $bucket 'output' field must be an object, but found type: ${typeName(output)}`);
  const outputs = output ? outputFields(output, vars, "") : [COUNT];
  const idOf: Evaluate = (frame) => {
    const value = groupBy(frame) ?? null;
    const above = boundaries.findIndex((boundary) => compareValues(value, boundary) < 0);
    if (above > 0) return boundaries[above - 1];
    if (Object.hasOwn(fields, "default")) return fields["default"];
    throw location(40066, `$switch could not find a matching branch for an input, and no default was specified: no $bucket holds ${describe(value)}`);
  };
  return (items) => [...collect(items, vars, idOf, outputs)].toSorted((a, b) => compareValues(a.doc["_id"], b.doc["_id"]));
}

function bucketBoundaries(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw location(40200, `The $bucket 'boundaries' field must be an array of values, but found type: ${typeName(value)}`);
  if (value.length < 2) throw location(40192, `The $bucket 'boundaries' field must have at least 2 values, but found ${value.length} value(s)`);
  for (let i = 1; i < value.length; i++) {
    if (compareValues(value[i - 1], value[i]) >= 0) throw location(40194, "The 'boundaries' option to $bucket must be sorted in ascending order");
  }
  return value as unknown[];
}
