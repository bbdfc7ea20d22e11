/*
 * Which keys to walk for a filter and a sort: `_id`s, ranges of one index, or the whole collection.
 * Before it: semantics/predicate-bounds.ts; after it: collection-reader.ts, which matches every candidate again.
 */
import { BSONRegExp } from "bson";
import type { Doc } from "../semantics/bson-codec.js";
import { valuesEqual } from "../semantics/compare.js";
import { encodeKey } from "../semantics/key-encoding.js";
import { predicateBounds, type PathBounds } from "../semantics/predicate-bounds.js";
import type { CollectionState } from "./catalog.js";
import { badValue } from "./errors.js";
import { areExact } from "./exact-ranges.js";
import type { IndexState } from "./index-state.js";
import { documentPrefix, idBound, idKeyOf, indexPrefix, successor, tupleBound } from "./keys.js";
import { asNumber, isNumber } from "./values.js";

export interface KeyRange {
  start: Buffer;
  end: Buffer;
}

/** `exact`: the keys are those of the matches and of nothing else. `once`: no document has two keys in the ranges. */
export type Plan =
  | { kind: "ids"; idKeys: Buffer[]; sorted: boolean; exact: boolean }
  | { kind: "index"; index: IndexState; ranges: KeyRange[]; reverse: boolean; sorted: boolean; exact: boolean; once: boolean }
  | { kind: "collection"; ranges: KeyRange[]; reverse: boolean; sorted: boolean };

export interface PlanRequest {
  filter: Doc;
  sort?: Doc | undefined;
  hint?: string | Doc | undefined;
  usable(index: IndexState): boolean;
}

/** A product of `$in` lists beyond this is cheaper as fewer, wider ranges. */
const RANGES_MAX = 1_000;

type Bound = NonNullable<PathBounds["lower"]>;
type BoundsByPath = ReadonlyMap<string, readonly PathBounds[]>;

export function planRead(collection: CollectionState, request: PlanRequest): Plan {
  refuseUnknownHint(collection, request.hint);
  const bounds = groupByPath(predicateBounds(request.filter));
  const sort = Object.entries(request.sort ?? {});
  const byId = planIds(request.filter, bounds, sort);
  if (byId && (request.hint === undefined || isIdHint(request.hint))) return byId;
  const best = bestIndex(collection, request, bounds, sort);
  return best ?? planCollection(collection, bounds, sort);
}

/** Throws EngineError 2 BadValue for an index that does not exist. */
function refuseUnknownHint(collection: CollectionState, hint: string | Doc | undefined): void {
  if (hint === undefined || isIdHint(hint) || (typeof hint === "object" && "$natural" in hint)) return;
  if (collection.indexes.some((index) => isHinted(index, hint))) return;
  throw badValue("error processing query: planner returned error :: caused by :: hint provided does not correspond to an existing index");
}

function isIdHint(hint: string | Doc): boolean {
  return typeof hint === "string" ? hint === "_id_" : Object.keys(hint).join() === "_id";
}

function groupByPath(bounds: readonly PathBounds[]): BoundsByPath {
  const byPath = new Map<string, PathBounds[]>();
  for (const bound of bounds) byPath.set(bound.path, [...(byPath.get(bound.path) ?? []), bound]);
  return byPath;
}

function planIds(filter: Doc, bounds: BoundsByPath, sort: readonly [string, unknown][]): Plan | undefined {
  const values = bounds.get("_id")?.find((bound) => bound.equals)?.equals;
  if (!values) return undefined;
  const keys = values.map(idKeyOf);
  const idKeys = keys.map((key) => key.bytes).toSorted(Buffer.compare).filter((key, at, all) => at === 0 || !key.equals(all[at - 1] ?? key));
  const onlyId = Object.keys(filter).length === 1 && "_id" in filter && bounds.size === 1 && isPlainIdFilter(filter["_id"]);
  const exact = onlyId && keys.every((key) => !key.hashed);
  return { kind: "ids", idKeys, sorted: sort.length === 0 || idKeys.length < 2, exact };
}

/** The shapes of `_id` filter that its equality bounds say completely. */
function isPlainIdFilter(condition: unknown): boolean {
  if (typeof condition !== "object" || condition === null) return true;
  if (Object.getPrototypeOf(condition) !== Object.prototype) return !(condition instanceof BSONRegExp || Array.isArray(condition));
  const operators = Object.keys(condition);
  return operators.length === 1 && (operators[0] === "$eq" || operators[0] === "$in");
}

interface Candidate {
  plan: Extract<Plan, { kind: "index" }>;
  score: number;
}

function bestIndex(
  collection: CollectionState,
  request: PlanRequest,
  bounds: BoundsByPath,
  sort: readonly [string, unknown][],
): Plan | undefined {
  let best: Candidate | undefined;
  for (const index of collection.indexes) {
    const hinted = request.hint !== undefined && isHinted(index, request.hint);
    if (request.hint !== undefined && !hinted) continue;
    if (!request.usable(index) || !includesEveryMatch(index, request.filter, bounds)) continue;
    const candidate = candidateOf(index, request.filter, bounds, sort);
    if ((candidate.score > 0 || hinted) && (!best || candidate.score > best.score)) best = candidate;
  }
  return best?.plan;
}

export function isHinted(index: IndexState, hint: string | Doc): boolean {
  if (typeof hint === "string") return index.name === hint;
  const wanted = Object.entries(hint);
  return wanted.length === index.paths.length && wanted.every(([path, direction], at) => index.paths[at] === path && index.directions[at] === asNumber(direction));
}

/** A partial or sparse index may be walked only if it holds every document the filter can match. */
function includesEveryMatch(index: IndexState, filter: Doc, bounds: BoundsByPath): boolean {
  if (index.sparse) {
    const present = index.paths.some((path) => bounds.get(path)?.some(excludesMissing));
    if (!present) return false;
  }
  if (!index.partialFilter) return true;
  return Object.entries(index.partialFilter).every(([path, condition]) => implies(path, condition, filter, bounds));
}

function excludesMissing(bound: PathBounds): boolean {
  if (bound.equals) return bound.equals.every((value) => value !== null && value !== undefined);
  const edge = bound.lower ?? bound.upper;
  return edge !== undefined && edge.value !== null && edge.value !== undefined;
}

function implies(path: string, condition: unknown, filter: Doc, bounds: BoundsByPath): boolean {
  if (path in filter && valuesEqual(filter[path], condition)) return true;
  const own = bounds.get(path) ?? [];
  if (typeof condition !== "object" || condition === null || Object.getPrototypeOf(condition) !== Object.prototype) {
    return own.some((bound) => bound.equals?.every((value) => valuesEqual(value, condition)));
  }
  const operators = Object.entries(condition as Doc);
  if (!operators.every(([operator]) => operator === "$exists" || operator === "$eq")) return false;
  return operators.every(([operator, operand]) =>
    operator === "$exists"
      ? (operand === true || (isNumber(operand) && asNumber(operand) !== 0)) && own.some(excludesMissing)
      : own.some((bound) => bound.equals?.every((value) => valuesEqual(value, operand))),
  );
}

function candidateOf(index: IndexState, filter: Doc, bounds: BoundsByPath, sort: readonly [string, unknown][]): Candidate {
  const prefix = indexPrefix(index.id);
  let heads: unknown[][] = [[]];
  let used = 0;
  let score = 0;
  let range: PathBounds[] | undefined;
  for (const path of index.paths) {
    const own = mayUse(index, used) ? bounds.get(path) : undefined;
    const values = own?.find((bound) => bound.equals)?.equals;
    if (!values || heads.length * values.length > RANGES_MAX) {
      range = own?.filter((bound) => bound.lower || bound.upper);
      break;
    }
    heads = heads.flatMap((head) => values.map((value) => [...head, value]));
    used += 1;
    score += 10;
  }
  const ranged = range !== undefined && range.length > 0;
  if (ranged) score += 6;
  if (index.unique && used === index.paths.length) score += 5;
  const order = sortOrder(index, used, sort, bounds);
  const sorted = sort.length === 0 || (order !== undefined && heads.length === 1);
  if (sort.length > 0 && sorted) score += 3;
  const ranges = mergeRanges(heads.map((head) => rangeOf(index, prefix, head, ranged ? range : undefined)));
  // One entry a distinct tuple: a tuple given in full is a document's only one.
  const once = !index.multikey || (ranges.length === 1 && used === index.paths.length);
  return { plan: { kind: "index", index, ranges, reverse: order === "reverse", sorted, exact: areExact(index, filter, heads), once }, score };
}

/**
 * With several entries a document, two fields under one array are matched by different elements and must not be
 * combined; fields with different roots may, since only one root can be an array.
 */
function mayUse(index: IndexState, at: number): boolean {
  if (!index.multikey || at === 0) return true;
  return index.paths.slice(0, at).every((path) => rootOf(path) !== rootOf(index.paths[at]));
}

function rootOf(path: string | undefined): string {
  return (path ?? "").split(".", 1)[0] ?? "";
}

function rangeOf(index: IndexState, prefix: Buffer, head: readonly unknown[], range: readonly PathBounds[] | undefined): KeyRange {
  const start = Buffer.concat([prefix, tupleBound(encodeKey(head, index.directions))]);
  const whole = { start, end: successor(start) };
  if (!range) return whole;
  const direction = index.directions[head.length] ?? 1;
  let bounds: KeyRange = whole;
  for (const bound of index.multikey ? range.slice(0, 1) : range) {
    // Two sides of a multikey range may be met by two elements: only one side narrows.
    const lower = bound.lower;
    const upper = index.multikey && lower ? undefined : bound.upper;
    const [first, last] = direction === 1 ? [lower, upper] : [upper, lower];
    bounds = {
      start: first ? maxKey(bounds.start, edge(index, prefix, head, "start", first)) : bounds.start,
      end: last ? minKey(bounds.end, edge(index, prefix, head, "end", last)) : bounds.end,
    };
  }
  return bounds;
}

/** The key at a bound; `after` steps over every key that equals it. */
function edge(index: IndexState, prefix: Buffer, head: readonly unknown[], side: "start" | "end", bound: Bound): Buffer {
  const encoded = encodeKey([...head, bound.value], index.directions);
  const cut = tupleBound(encoded);
  const key = Buffer.concat([prefix, cut]);
  // A cut bound stands for keys on either side of it: widen instead of losing a match.
  if (cut.length < encoded.length) return side === "start" ? key : successor(key);
  return (side === "start") === bound.inclusive ? key : successor(key);
}

function maxKey(a: Buffer, b: Buffer): Buffer {
  return Buffer.compare(a, b) >= 0 ? a : b;
}

function minKey(a: Buffer, b: Buffer): Buffer {
  return Buffer.compare(a, b) <= 0 ? a : b;
}

/** Ranges in key order without overlap, so that no entry is met twice. */
export function mergeRanges(ranges: readonly KeyRange[]): KeyRange[] {
  const merged: KeyRange[] = [];
  for (const range of ranges.toSorted((a, b) => Buffer.compare(a.start, b.start))) {
    const last = merged.at(-1);
    if (last && Buffer.compare(range.start, last.end) < 0) last.end = maxKey(last.end, range.end);
    else merged.push({ ...range });
  }
  return merged;
}

/** Whether walking the index after `used` equal fields yields the sort, and in which direction. */
function sortOrder(
  index: IndexState,
  used: number,
  sort: readonly [string, unknown][],
  bounds: BoundsByPath,
): "forward" | "reverse" | undefined {
  if (sort.length === 0 || index.multikey || index.hashed) return undefined;
  const fixed = new Set(index.paths.slice(0, used));
  const wanted = sort.filter(([path]) => !(fixed.has(path) && bounds.get(path)?.some((bound) => bound.equals?.length === 1)));
  let flip: number | undefined;
  for (const [at, [path, direction]] of wanted.entries()) {
    const field = used + at;
    if (!isNumber(direction) || index.paths[field] !== path) return undefined;
    const turn = asNumber(direction) * (index.directions[field] ?? 1);
    if (flip !== undefined && flip !== turn) return undefined;
    flip = turn;
  }
  return flip === -1 ? "reverse" : "forward";
}

function planCollection(collection: CollectionState, bounds: BoundsByPath, sort: readonly [string, unknown][]): Plan {
  const prefix = documentPrefix(collection.id);
  const whole = { start: prefix, end: successor(prefix) };
  const [first] = sort;
  const byId = sort.length === 1 && first?.[0] === "_id" && isNumber(first[1]);
  const range = (bounds.get("_id") ?? []).reduce((narrowed, bound) => narrowById(narrowed, prefix, bound), whole);
  return {
    kind: "collection",
    ranges: [range],
    reverse: byId && asNumber(first[1]) < 0,
    sorted: sort.length === 0 || (byId && !collection.hashedIds),
  };
}

function narrowById(range: KeyRange, prefix: Buffer, bound: PathBounds): KeyRange {
  const at = (value: unknown): Buffer => Buffer.concat([prefix, idBound(encodeKey([value]))]);
  return {
    start: bound.lower ? maxKey(range.start, at(bound.lower.value)) : range.start,
    end: bound.upper ? minKey(range.end, successor(at(bound.upper.value))) : range.end,
  };
}
