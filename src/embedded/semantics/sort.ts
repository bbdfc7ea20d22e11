/*
 * Order of documents by a sort specification: for an array the least element counts ascending, the greatest descending.
 * Before it: find and $sort; after it: index keys, so that a sort and an index agree.
 */
import { Double } from "bson";
import { EngineError } from "../engine-error.js";
import type { Doc } from "./bson-codec.js";
import { describe, isObject, own } from "./bson-kinds.js";
import { isNumber } from "./arithmetic.js";
import { compareValues } from "./compare.js";
import type { DocMeta } from "./expression-types.js";
import { indexTuples } from "./index-keys.js";
import { compareNumbers, plainNumber } from "./numbers.js";

export interface SortKey {
  /** Taken once per document: comparing documents would walk their paths n log n times. */
  keyOf(doc: Doc, meta?: DocMeta): readonly unknown[];
  compareKeys(a: readonly unknown[], b: readonly unknown[]): number;
}

type Part = { path: string; direction: 1 | -1 } | { meta: keyof DocMeta; direction: -1 };

const badValue = (message: string): EngineError => new EngineError(2, "BadValue", message);

/** Throws EngineError 2 for parallel arrays in the paths and 15974 or 15975 for directions that are not 1, -1 or $meta. */
export function compileSortKey(spec: Doc): SortKey {
  const parts = Object.entries(spec).map(([path, direction]) => parsePart(path, direction));
  const paths = parts.flatMap((part) => ("path" in part ? [part.path] : []));
  const directions = parts.map((part) => part.direction);
  const compareKeys: SortKey["compareKeys"] = (a, b) => {
    for (let i = 0; i < directions.length; i++) {
      const order = compareValues(a[i], b[i]);
      if (order !== 0) return order * directions[i]!;
    }
    return 0;
  };
  const plain = paths.length === parts.length && paths.every((path) => !path.includes("."));
  return { keyOf: (doc, meta) => (plain && plainKey(doc, paths)) || leastKey(doc, meta, parts, paths, compareKeys), compareKeys };
}

function parsePart(path: string, direction: unknown): Part {
  if (isObject(direction)) {
    const meta = direction["$meta"];
    if (meta === "vectorSearchScore" || meta === "searchScore") return { meta, direction: -1 };
    throw new EngineError(15975, "Location15975", `Cannot sort by ${describe(direction)}, expected {$meta: "vectorSearchScore"}`);
  }
  if (path === "" || path.startsWith(".") || path.endsWith(".")) throw badValue("FieldPath must not be empty or end with a '.'");
  if (path.startsWith("$")) throw new EngineError(16410, "Location16410", `FieldPath field names may not start with '$', got '${path}'`);
  if (isNumber(direction) && compareNumbers(plainNumber(direction), 1) === 0) return { path, direction: 1 };
  if (isNumber(direction) && compareNumbers(plainNumber(direction), -1) === 0) return { path, direction: -1 };
  throw new EngineError(15975, "Location15975", `$sort key ordering must be 1 (for ascending) or -1 (for descending), got ${describe(direction)}`);
}

/** Nothing when there is an array, whose elements must be weighed. */
function plainKey(doc: Doc, paths: readonly string[]): unknown[] | undefined {
  const key: unknown[] = [];
  for (const path of paths) {
    const value = own(doc, path);
    if (Array.isArray(value)) return undefined;
    key.push(value === undefined ? null : value);
  }
  return key;
}

function leastKey(doc: Doc, meta: DocMeta | undefined, parts: readonly Part[], paths: readonly string[], compareKeys: SortKey["compareKeys"]): readonly unknown[] {
  const keys = tuplesOf(doc, paths).map((tuple) => {
    let next = 0;
    return parts.map((part) => ("path" in part ? tuple[next++] : scoreOf(meta, part.meta)));
  });
  return keys.reduce((least, key) => (compareKeys(key, least) < 0 ? key : least));
}

function scoreOf(meta: DocMeta | undefined, field: keyof DocMeta): unknown {
  const score = meta?.[field];
  return score === undefined ? null : new Double(score);
}

function tuplesOf(doc: Doc, paths: readonly string[]): unknown[][] {
  try {
    return indexTuples(doc, paths);
  } catch (error) {
    if (error instanceof EngineError && error.code === 171) throw badValue("cannot sort with keys that are parallel arrays");
    throw error;
  }
}

/** For long lists take `compileSortKey` and compare keys. `meta` gives the scores that `$meta` sorts by. */
export function compileSort(spec: Doc, options: { meta?: (doc: Doc) => DocMeta | undefined } = {}): (a: Doc, b: Doc) => number {
  const { keyOf, compareKeys } = compileSortKey(spec);
  return (a, b) => compareKeys(keyOf(a, options.meta?.(a)), keyOf(b, options.meta?.(b)));
}
