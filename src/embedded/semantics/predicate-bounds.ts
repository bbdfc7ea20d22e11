/*
 * What a filter says about the index keys of the documents it matches; for the planner, which still runs the matcher.
 * Too wide costs time; too narrow loses documents, so everything unclear gives no bound at all.
 */
import { Double, MaxKey, ObjectId, Timestamp } from "bson";
import type { Doc } from "./bson-codec.js";
import { isObject, isOperatorObject, KIND, kindOf } from "./bson-kinds.js";
import { plainNumber } from "./numbers.js";

/**
 * Every matching document has at least one index key on `path` within the bounds.
 * Each entry is safe alone. On an index that is multikey two must not be combined when they are on one
 * path (`{$gt: 5, $lt: 10}` matches `[1, 20]`, whose keys are 1 and 20) or on two paths that begin alike
 * (`{"a.x": 1, "a.y": 2}` matches documents without a key of both).
 */
export interface PathBounds {
  path: string;
  /** Any of these keys; `undefined` is the key of an empty array, null that of a missing field. */
  equals?: unknown[];
  lower?: { value: unknown; inclusive: boolean };
  upper?: { value: unknown; inclusive: boolean };
}

type Bounds = Omit<PathBounds, "path">;
type Limits = Required<Pick<PathBounds, "lower" | "upper">>;

/** Reads the top level and $and; never throws, since the matcher reports wrong filters. */
export function predicateBounds(filter: Doc): PathBounds[] {
  const found: PathBounds[] = [];
  for (const [key, operand] of Object.entries(filter)) {
    if (key === "$and" && Array.isArray(operand)) found.push(...operand.filter(isObject).flatMap(predicateBounds));
    else if (!key.startsWith("$") && !hasPosition(key)) found.push(...fieldBounds(operand).map((bounds) => ({ path: key, ...bounds })));
  }
  return found;
}

/** `a.0` names a position or a field, and an index of that name may hold the other. */
const hasPosition = (path: string): boolean => path.split(".").some((part) => /^\d+$/.test(part));

function fieldBounds(operand: unknown): Bounds[] {
  if (!isOperatorObject(operand)) return kindOf(operand) === KIND.regex ? [] : [{ equals: keysEqualTo(operand) }];
  return Object.entries(operand).flatMap(([operator, value]) => operatorBounds(operator, value));
}

function operatorBounds(operator: string, operand: unknown): Bounds[] {
  switch (operator) {
    case "$eq":
      return [{ equals: keysEqualTo(operand) }];
    case "$in":
      return isPlainList(operand) ? [{ equals: operand.flatMap(keysEqualTo) }] : [];
    case "$all":
      return isPlainList(operand) ? operand.map((item) => ({ equals: keysEqualTo(item) })) : [];
    case "$gt":
    case "$gte":
    case "$lt":
    case "$lte":
      return rangeBounds(operator, operand);
    default:
      return [];
  }
}

/** A regular expression in a list matches texts, an operator in it is for the matcher to judge. */
function isPlainList(operand: unknown): operand is unknown[] {
  return Array.isArray(operand) && !operand.some((item) => kindOf(item) === KIND.regex || isOperatorObject(item));
}

/** An array as a whole is a key only inside another array; else its own first element is one of its keys. */
function keysEqualTo(value: unknown): unknown[] {
  if (value === undefined) return [null];
  if (!Array.isArray(value)) return [value];
  return [value.length === 0 ? undefined : value[0] ?? null, value];
}

function rangeBounds(operator: "$gt" | "$gte" | "$lt" | "$lte", operand: unknown): Bounds[] {
  const orEqual = operator.endsWith("e");
  const kind = kindOf(operand);
  if (kind === KIND.null || kind === KIND.missing) return orEqual ? [{ equals: [null] }] : [];
  if (kind === KIND.number && Number.isNaN(plainNumber(operand))) return orEqual ? [{ equals: [operand] }] : [];
  const limits = limitsOf(kind);
  if (!limits) return [];
  const bound = { value: operand, inclusive: orEqual };
  return [operator.startsWith("$gt") ? { lower: bound, upper: limits.upper } : { lower: limits.lower, upper: bound }];
}

/** The least key of a type, and the first one past it: a comparison never leaves the type of its operand. */
function limitsOf(kind: number): Limits | undefined {
  switch (kind) {
    case KIND.number:
      return { lower: from(new Double(Number.NaN)), upper: before("") };
    case KIND.string:
      return { lower: from(""), upper: before({}) };
    case KIND.objectId:
      return { lower: from(new ObjectId("0".repeat(24))), upper: before(false) };
    case KIND.boolean:
      return { lower: from(false), upper: from(true) };
    case KIND.date:
      return { lower: { value: true, inclusive: false }, upper: before(new Timestamp({ t: 0, i: 0 })) };
    case KIND.timestamp:
      return { lower: from(new Timestamp({ t: 0, i: 0 })), upper: before(new MaxKey()) };
    default:
      return undefined;
  }
}

const from = (value: unknown): { value: unknown; inclusive: boolean } => ({ value, inclusive: true });
const before = (value: unknown): { value: unknown; inclusive: boolean } => ({ value, inclusive: false });
