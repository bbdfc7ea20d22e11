/*
 * Operators that read arrays as sets: order and repetition do not count, numbers equal across types.
 */
import { truthy } from "./arithmetic.js";
import { isNullish, onValues, requireArray } from "./expression-operands.js";
import type { OperatorBuilder } from "./expression-types.js";
import { encodeKey } from "./key-encoding.js";

type Members = Map<string, unknown>;

function members(value: unknown, name: string): Members {
  const set: Members = new Map();
  for (const item of requireArray(value, 17043, `All operands of ${name} must be arrays. One argument is of type: `)) {
    const key = encodeKey([item]).toString("latin1");
    if (!set.has(key)) set.set(key, item);
  }
  return set;
}

/** In BSON order, so that equal sets come out equal. */
const inOrder = (set: Members): unknown[] => [...set.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value);

const within = (inner: Members, outer: Members): boolean => [...inner.keys()].every((key) => outer.has(key));

function keep(set: Members, holds: (key: string) => boolean): Members {
  return new Map([...set].filter(([key]) => holds(key)));
}

/** Null where an operand is null or missing. */
const onSets = (min: number, max: number, apply: (sets: Members[]) => unknown): OperatorBuilder =>
  onValues(min, max, (values, name) => (values.some(isNullish) ? null : apply(values.map((value) => members(value, name)))));

/** The comparing ones refuse null instead. */
const compareSets = (min: number, max: number, holds: (sets: Members[]) => boolean): OperatorBuilder =>
  onValues(min, max, (values, name) => holds(values.map((value) => members(value, name))));

export const setOperators: Readonly<Record<string, OperatorBuilder>> = {
  $setUnion: onSets(0, Infinity, (sets) => inOrder(new Map(sets.toReversed().flatMap((set) => [...set])))),
  $setIntersection: onSets(0, Infinity, ([first, ...rest]) =>
    first ? inOrder(keep(first, (key) => rest.every((set) => set.has(key)))) : []),
  $setDifference: onSets(2, 2, ([a, b]) => [...keep(a!, (key) => !b!.has(key)).values()]),
  $setEquals: compareSets(2, Infinity, ([first, ...rest]) => rest.every((set) => within(set, first!) && within(first!, set))),
  $setIsSubset: compareSets(2, 2, ([a, b]) => within(a!, b!)),
  $anyElementTrue: onValues(1, 1, ([value]) => requireArray(value, 17041, "$anyElementTrue's argument must be an array, but is ").some(truthy)),
  $allElementsTrue: onValues(1, 1, ([value]) => requireArray(value, 17040, "$allElementsTrue's argument must be an array, but is ").every(truthy)),
};
