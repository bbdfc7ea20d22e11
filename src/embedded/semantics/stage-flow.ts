/*
 * Stages that pass documents on, drop, order or multiply them: $match, $sort, $limit, $skip, $sample, $unwind.
 */
import { Long } from "bson";
import { isNumber } from "./arithmetic.js";
import type { Doc } from "./bson-codec.js";
import { describe, isObject, own, typeName } from "./bson-kinds.js";
import { location, named } from "./expression-operands.js";
import { compileMatcher } from "./matcher.js";
import { plainNumber, toInteger } from "./numbers.js";
import type { PipelineItem, Stage } from "./pipeline-types.js";
import { addFields, dropFields, insertPath, pathTree } from "./projection-tree.js";
import type { Evaluate, Variables } from "./expression-types.js";
import { compileSortKey, type SortKey } from "./sort.js";

export function matchStage(spec: unknown, vars: Variables): Stage {
  if (!isObject(spec)) throw location(15959, `the match filter must be an expression in an object, got ${describe(spec)}`);
  const matches = compileMatcher(spec, { let: vars as Doc });
  return function* match(items) {
    for (const item of items) if (matches(item.doc)) yield item;
  };
}

/** Stable; `limit` keeps no more than that many in memory beyond a batch. */
export function sortStage(spec: unknown, limit = Infinity): Stage {
  if (!isObject(spec)) throw location(15973, `the $sort key specification must be an object, got ${describe(spec)}`);
  if (Object.keys(spec).length === 0) throw location(15976, "$sort stage must have at least one sort key");
  const sortKey = compileSortKey(spec);
  return (items) => sorted(items, sortKey, limit);
}

interface Keyed {
  item: PipelineItem;
  key: readonly unknown[];
}

function* sorted(items: Iterable<PipelineItem>, { keyOf, compareKeys }: SortKey, limit: number): Iterable<PipelineItem> {
  let best: Keyed[] = [];
  const order = (): void => {
    best.sort((a, b) => compareKeys(a.key, b.key));
    if (best.length > limit) best.length = limit;
  };
  // Twice the limit between two sorts makes the cost of cutting n log limit.
  const batch = Math.max(limit * 2, 1024);
  for (const item of items) {
    best.push({ item, key: keyOf(item.doc, item.meta) });
    if (best.length >= batch) order();
  }
  order();
  const result = best;
  best = [];
  for (const { item } of result) yield item;
}

export function wholeOperand(value: unknown, least: number, code: number, name: string): number {
  const whole = isNumber(value) ? toInteger(plainNumber(value)) : undefined;
  if (whole === undefined) throw location(5107201, `invalid argument to ${name} stage: Expected an integer, got ${describe(value)}`);
  if (whole < BigInt(least)) throw location(code, `invalid argument to ${name} stage: expected at least ${least}, got ${whole}`);
  return Number(whole);
}

export function limitStage(spec: unknown): Stage {
  const limit = wholeOperand(spec, 1, 15958, "$limit");
  return function* take(items) {
    let taken = 0;
    for (const item of items) {
      yield item;
      // Asking for one more would make the source read for nothing.
      if (++taken >= limit) return;
    }
  };
}

export function skipStage(spec: unknown): Stage {
  const skip = wholeOperand(spec, 0, 15956, "$skip");
  return function* drop(items) {
    let seen = 0;
    for (const item of items) if (seen++ >= skip) yield item;
  };
}

/** Reservoir sampling: every document with the same chance, in memory for the sample alone. */
export function sampleStage(spec: unknown): Stage {
  const size = wholeOperand(named("$sample", spec, ["size"])["size"], 1, 28747, "$sample");
  return (items) => {
    const sample: PipelineItem[] = [];
    let seen = 0;
    for (const item of items) {
      seen++;
      if (sample.length < size) sample.push(item);
      else {
        const at = Math.floor(Math.random() * seen);
        if (at < size) sample[at] = item;
      }
    }
    return sample;
  };
}

interface Unwind {
  parts: readonly string[];
  keepEmpty: boolean;
  write: (doc: Doc, element: unknown, index: unknown) => Doc;
}

export function unwindStage(spec: unknown): Stage {
  const fields = typeof spec === "string" ? { path: spec } : named("$unwind", spec, ["path"], ["includeArrayIndex", "preserveNullAndEmptyArrays"]);
  const { path, includeArrayIndex: indexField, preserveNullAndEmptyArrays: keepEmpty = false } = fields;
  if (typeof path !== "string") throw location(28808, `expected a string as the path for $unwind stage, got ${typeName(path)}`);
  if (!path.startsWith("$") || path.length < 2) throw location(28818, `path option to $unwind stage should be prefixed with a '$': ${path}`);
  if (typeof keepEmpty !== "boolean") throw location(28809, `expected a boolean for the preserveNullAndEmptyArrays option to $unwind stage, got ${typeName(keepEmpty)}`);
  if (indexField !== undefined && (typeof indexField !== "string" || indexField === "" || indexField.startsWith("$"))) {
    throw location(28810, `expected a non-empty string without '$' for the includeArrayIndex option to $unwind stage, got ${describe(indexField)}`);
  }
  const unwind = { parts: path.slice(1).split("."), keepEmpty, write: elementWriter(path.slice(1), indexField) };
  return function* unwindAll(items) {
    for (const item of items) yield* unwindOne(item, unwind);
  };
}

/** A value that is no array counts as an array of one, whose index is null. */
function* unwindOne({ doc, meta }: PipelineItem, { parts, keepEmpty, write }: Unwind): Iterable<PipelineItem> {
  const value = parts.reduce<unknown>((inner, part) => (isObject(inner) ? own(inner, part) : undefined), doc);
  if (Array.isArray(value) && value.length > 0) {
    for (let i = 0; i < value.length; i++) yield { doc: write(doc, value[i], Long.fromNumber(i)), meta };
  } else if (value === undefined || value === null || Array.isArray(value)) {
    if (keepEmpty) yield { doc: write(doc, value === null ? null : undefined, null), meta };
  } else yield { doc: write(doc, value, null), meta };
}

function elementWriter(path: string, indexField: string | undefined): Unwind["write"] {
  let current: unknown;
  let position: unknown;
  const tree = pathTree<Evaluate>();
  const without = pathTree<true>();
  insertPath(without, path, true);
  insertPath(tree, path, () => current);
  const indexes = pathTree<Evaluate>();
  if (indexField !== undefined) insertPath(indexes, indexField, () => position);
  return (doc, element, index) => {
    [current, position] = [element, index];
    const frame = { root: doc, vars: {} };
    const written = (element === undefined ? dropFields(without, doc) : addFields(tree, doc, frame)) as Doc;
    return indexField === undefined ? written : (addFields(indexes, written, frame) as Doc);
  };
}
