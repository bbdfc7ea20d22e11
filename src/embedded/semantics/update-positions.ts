/*
 * Which elements of an array `$` and `$[id]` in an update stand for.
 * Before it: update.ts; after it: the matcher, which is asked about one element at a time.
 */
import type { Doc } from "./bson-codec.js";
import { describe, isObject, own } from "./bson-kinds.js";
import { compileMatcher } from "./matcher.js";
import { badValue, failedToParse } from "./update-operator.js";
import type { Path, Positions } from "./update-paths.js";

export interface PositionOptions {
  arrayFilters?: Doc[];
  filter?: Doc;
}

type ElementTest = (element: unknown) => boolean;

/** Throws EngineError 2 or 9 for identifiers without a filter, filters without an identifier, and two filters of one. */
export function arrayFilterPositions(paths: readonly Path[], options: PositionOptions): (doc: Doc) => Positions {
  const filters = compileArrayFilters(options.arrayFilters ?? []);
  checkUse(paths, filters);
  const tests = new Map<string, ElementTest[]>();
  return (doc) => ({
    matched: (array) => matchedPosition(doc, array, options.filter ?? {}, tests),
    filter: (id) => filters.get(id)!,
  });
}

function compileArrayFilters(arrayFilters: readonly Doc[]): Map<string, ElementTest> {
  const filters = new Map<string, ElementTest>();
  for (const filter of arrayFilters) {
    const ids = new Set(identifiers(filter));
    const [id] = ids;
    if (id === undefined) throw failedToParse("Cannot use an expression without a top-level field name in arrayFilters");
    if (ids.size > 1) throw failedToParse(`Error parsing array filter :: caused by :: Expected a single top-level field name, found ${[...ids].map((name) => `'${name}'`).join(" and ")}`);
    if (!/^[a-z][a-zA-Z0-9]*$/.test(id)) throw badValue(`Error parsing array filter :: caused by :: The top-level field name must be an alphanumeric string beginning with a lowercase letter, found '${id}'`);
    if (filters.has(id)) throw failedToParse(`Found multiple array filters with the same top-level field name ${id}`);
    const matches = compileMatcher(filter);
    filters.set(id, (element) => matches({ [id]: element }));
  }
  return filters;
}

function identifiers(filter: Doc): string[] {
  return Object.entries(filter).flatMap(([key, operand]) =>
    key.startsWith("$") ? (Array.isArray(operand) ? operand.filter(isObject).flatMap(identifiers) : []) : [key.split(".")[0]!],
  );
}

function checkUse(paths: readonly Path[], filters: ReadonlyMap<string, ElementTest>): void {
  const used = new Set<string>();
  for (const path of paths) {
    for (const part of path) {
      const id = /^\$\[(.+)\]$/.exec(part)?.[1];
      if (id === undefined) continue;
      if (!filters.has(id)) throw badValue(`No array filter found for identifier '${id}' in path '${path.join(".")}'`);
      used.add(id);
    }
  }
  const unused = [...filters.keys()].find((id) => !used.has(id));
  if (unused !== undefined) throw failedToParse(`The array filter for identifier '${unused}' was not used in the update`);
}

/** The last condition of the query on this array decides, as in the server. */
function matchedPosition(doc: Doc, array: Path, filter: Doc, cache: Map<string, ElementTest[]>): number {
  const name = array.join(".");
  let tests = cache.get(name);
  if (!tests) {
    tests = conditionsOn(filter, name).map(([path, operand]) => elementTest(array, path, operand)).toReversed();
    cache.set(name, tests);
  }
  const elements = valueAt(doc, array);
  for (const test of Array.isArray(elements) ? tests : []) {
    const position = (elements as unknown[]).findIndex(test);
    if (position >= 0) return position;
  }
  throw badValue(`The positional operator did not find the match needed from the query: no condition on '${name}' matched an element of ${describe(elements)}`);
}

function conditionsOn(filter: Doc, array: string): [string, unknown][] {
  return Object.entries(filter).flatMap(([key, operand]): [string, unknown][] => {
    if ((key === "$and" || key === "$or") && Array.isArray(operand)) return operand.filter(isObject).flatMap((branch) => conditionsOn(branch, array));
    return key === array || key.startsWith(`${array}.`) ? [[key, operand]] : [];
  });
}

/** Asks the condition about the array as if this element were alone in it. */
function elementTest(array: Path, path: string, operand: unknown): ElementTest {
  const matches = compileMatcher({ [path]: operand });
  return (element) => matches(array.toReversed().reduce<unknown>((inner, part) => ({ [part]: inner }), [element]) as Doc);
}

function valueAt(doc: Doc, path: Path): unknown {
  let value: unknown = doc;
  for (const part of path) value = isObject(value) ? own(value, part) : Array.isArray(value) ? (value as unknown[])[Number(part)] : undefined;
  return value;
}
