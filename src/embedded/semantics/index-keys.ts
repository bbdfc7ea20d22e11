/*
 * The key tuples a document has in an index: one for each element of an array on the way (multikey).
 * Before it: a document to be indexed or sorted; after it: key encoding, or the sort's choice of a tuple.
 */
import { EngineError } from "../engine-error.js";
import type { Doc } from "./bson-codec.js";
import { isObject, own } from "./bson-kinds.js";
import { encodeKey } from "./key-encoding.js";

/** Where one path of the index has got to: `at` parts are used up; a settled node is the key as it stands. */
interface Cursor {
  node: unknown;
  parts: readonly string[];
  at: number;
  settled: boolean;
}

const NUMERIC = /^(?:0|[1-9]\d*)$/;

/**
 * A missing field is null, an empty array at the end of a path is `undefined` (which sorts below null).
 * Throws EngineError 171 CannotIndexParallelArrays.
 */
export function indexTuples(doc: Doc, paths: readonly string[]): unknown[][] {
  const cursors = paths.map((path): Cursor => ({ node: doc, parts: path.split("."), at: 0, settled: false }));
  const tuples: unknown[][] = [];
  expand(cursors, tuples);
  return tuples.length > 1 ? distinct(tuples) : tuples;
}

function expand(cursors: readonly Cursor[], tuples: unknown[][]): void {
  for (const cursor of cursors) advance(cursor);
  const array = sharedArray(cursors);
  if (array === undefined || array.length === 0) {
    tuples.push(cursors.map((cursor) => keyOf(cursor, array)));
    return;
  }
  for (const item of array) {
    expand(cursors.map((cursor) => (onArray(cursor, array) ? enter(cursor, item) : { ...cursor })), tuples);
  }
}

function keyOf(cursor: Cursor, emptyArray: unknown[] | undefined): unknown {
  if (cursor.at < cursor.parts.length) return null;
  if (emptyArray !== undefined && onArray(cursor, emptyArray)) return undefined;
  return cursor.node === undefined ? null : cursor.node;
}

const onArray = (cursor: Cursor, array: unknown[]): boolean => !cursor.settled && cursor.node === array;

/** An array inside an array is a key as a whole; scalars and inner arrays have no fields for the rest of a path. */
function enter(cursor: Cursor, item: unknown): Cursor {
  return { ...cursor, node: item, settled: cursor.at === cursor.parts.length || !isObject(item) };
}

/** Down through documents, and by a numeric part into an array none of whose documents has that field. */
function advance(cursor: Cursor): void {
  if (cursor.settled) return;
  for (; cursor.at < cursor.parts.length; cursor.at++) {
    const part = cursor.parts[cursor.at]!;
    const node = cursor.node;
    if (isObject(node)) cursor.node = own(node, part);
    else if (Array.isArray(node) && NUMERIC.test(part) && !node.some((item) => isObject(item) && Object.hasOwn(item, part))) {
      cursor.node = node[Number(part)];
    } else break;
  }
}

function sharedArray(cursors: readonly Cursor[]): unknown[] | undefined {
  let found: Cursor | undefined;
  for (const cursor of cursors) {
    if (!Array.isArray(cursor.node) || cursor.settled) continue;
    if (found && found.node !== cursor.node) {
      const names = [found.parts.join("."), cursor.parts.join(".")].join("] [");
      throw new EngineError(171, "CannotIndexParallelArrays", `cannot index parallel arrays [${names}]`);
    }
    found = cursor;
  }
  return found?.node as unknown[] | undefined;
}

function distinct(tuples: unknown[][]): unknown[][] {
  const seen = new Map<string, unknown[]>();
  for (const tuple of tuples) {
    const key = encodeKey(tuple).toString("latin1");
    if (!seen.has(key)) seen.set(key, tuple);
  }
  return [...seen.values()];
}
