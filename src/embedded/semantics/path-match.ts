/*
 * Which values a dotted path of a filter reaches: through documents, through every document of an array,
 * and by position into an array. Before it: the matcher; after it: the tests on single values.
 */
import type { Doc } from "./bson-codec.js";
import { isObject, own } from "./bson-kinds.js";

/** `undefined` stands for a missing field. */
export type ValueTest = (value: unknown) => boolean;

/**
 * True as soon as one reached value passes. An array at the end of the path offers its elements and
 * then itself; with `expandLeaf` false ($size, $elemMatch) only itself.
 */
export function compilePath(path: string, test: ValueTest, expandLeaf: boolean): (doc: Doc) => boolean {
  const parts = path.split(".");
  if (parts.length === 1) return (doc) => testLeaf(own(doc, path), test, expandLeaf);
  return (doc) => reach(doc, parts, 0, test, expandLeaf);
}

function testLeaf(value: unknown, test: ValueTest, expandLeaf: boolean): boolean {
  if (expandLeaf && Array.isArray(value)) {
    for (const item of value) if (test(item)) return true;
  }
  return test(value);
}

function reach(start: unknown, parts: readonly string[], from: number, test: ValueTest, expandLeaf: boolean): boolean {
  let value = start;
  let at = from;
  while (at < parts.length && isObject(value)) value = own(value, parts[at++]!);
  if (at === parts.length) return testLeaf(value, test, expandLeaf);
  // A scalar on the way means the field is missing; an array offers what its elements offer, or nothing at all.
  return Array.isArray(value) ? reachThroughArray(value, parts, at, test, expandLeaf) : test(undefined);
}

function reachThroughArray(list: readonly unknown[], parts: readonly string[], at: number, test: ValueTest, expandLeaf: boolean): boolean {
  for (let index = 0; index < list.length; index++) {
    const item = list[index];
    if (isObject(item) && reach(item, parts, at, test, expandLeaf)) return true;
    if (parts[at] === String(index) && reachByPosition(item, parts, at + 1, test, expandLeaf)) return true;
  }
  return false;
}

/** An element named by its position is not expanded again: `"a.0": 1` does not match `{a: [[1]]}`. */
function reachByPosition(item: unknown, parts: readonly string[], at: number, test: ValueTest, expandLeaf: boolean): boolean {
  if (at === parts.length) return test(item);
  if (Array.isArray(item)) return reachThroughArray(item, parts, at, test, expandLeaf);
  return isObject(item) && reach(item, parts, at, test, expandLeaf);
}
