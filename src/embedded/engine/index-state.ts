/*
 * One index of a collection: its specification as listIndexes shows it, and the entries a document has in it.
 * Before it: catalog.ts; after it: planner.ts and index-writer.ts.
 */
import { EngineError } from "../engine-error.js";
import { encode, type Doc } from "../semantics/bson-codec.js";
import { indexTuples } from "../semantics/index-keys.js";
import { encodeKey } from "../semantics/key-encoding.js";
import { compileMatcher } from "../semantics/matcher.js";
import { boundedKey, indexPrefix, TUPLE_BYTES_MAX } from "./keys.js";
import { asNumber } from "./values.js";

export interface IndexState {
  readonly id: number;
  readonly name: string;
  /** As given: `{ v: 2, key, name, ...options }`. */
  readonly spec: Doc;
  readonly paths: readonly string[];
  readonly directions: readonly (1 | -1)[];
  readonly unique: boolean;
  readonly partialFilter: Doc | undefined;
  readonly sparse: boolean;
  readonly expireAfterSeconds: number | undefined;
  /** Number of the commit that made it visible in this run: older snapshots do not hold its entries. */
  readonly visibleFrom: number;
  readonly covers: (doc: Doc) => boolean;
  /** Some document has more than one entry; only ever goes from false to true. */
  multikey: boolean;
  /** Some entry was too long and lost its order to a hash; only ever goes from false to true. */
  hashed: boolean;
}

export interface IndexEntry {
  key: Buffer;
  tuple: readonly unknown[];
}

/** All entries of one document in one index; `hashed` when one of them lost its order. */
export interface DocumentEntries {
  entries: IndexEntry[];
  hashed: boolean;
}

export interface StoredIndex {
  id: number;
  spec: Doc;
  multikey: boolean;
  hashed: boolean;
}

const always = (): boolean => true;

export function indexStateOf(stored: StoredIndex, visibleFrom: number): IndexState {
  const { id, spec } = stored;
  const key = spec["key"] as Doc;
  const paths = Object.keys(key);
  const partialFilter = spec["partialFilterExpression"] as Doc | undefined;
  const sparse = spec["sparse"] === true;
  const expireAfterSeconds = spec["expireAfterSeconds"];
  return {
    id,
    name: String(spec["name"]),
    spec,
    paths,
    directions: paths.map((path) => (asNumber(key[path]) < 0 ? -1 : 1)),
    unique: spec["unique"] === true,
    partialFilter,
    sparse,
    expireAfterSeconds: expireAfterSeconds === undefined ? undefined : asNumber(expireAfterSeconds),
    visibleFrom,
    covers: partialFilter ? compileMatcher(partialFilter) : sparse ? someFieldExists(paths) : always,
    multikey: stored.multikey,
    hashed: stored.hashed,
  };
}

export function storedIndexOf(index: IndexState): StoredIndex {
  return { id: index.id, spec: index.spec, multikey: index.multikey, hashed: index.hashed };
}

/** The entries of a document. Throws EngineError 171 CannotIndexParallelArrays. */
export function indexEntries(index: IndexState, doc: Doc, idKey: Buffer): DocumentEntries {
  if (!index.covers(doc)) return { entries: [], hashed: false };
  const prefix = indexPrefix(index.id);
  let hashed = false;
  const entries = indexTuples(doc, index.paths).map((tuple) => {
    const bounded = boundedKey(encodeKey(tuple, index.directions), TUPLE_BYTES_MAX);
    hashed ||= bounded.hashed;
    return { key: Buffer.concat(index.unique ? [prefix, bounded.bytes] : [prefix, bounded.bytes, idKey]), tuple };
  });
  return { entries, hashed };
}

/** Same key pattern and options: createIndexes again is then no change. */
export function sameIndex(a: Doc, b: Doc): boolean {
  return encode(comparable(a)).equals(encode(comparable(b)));
}

export function samePattern(a: Doc, b: Doc): boolean {
  return patternText(a["key"] as Doc) === patternText(b["key"] as Doc);
}

/** Without what does not change an index, in one order of fields. */
function comparable({ v: _v, name: _name, background: _background, ...rest }: Doc): Doc {
  const plain: Doc = {
    ...rest,
    key: patternText(rest["key"] as Doc),
    expireAfterSeconds: rest["expireAfterSeconds"] === undefined ? null : asNumber(rest["expireAfterSeconds"]),
    unique: rest["unique"] === true,
    sparse: rest["sparse"] === true,
  };
  return Object.fromEntries(Object.entries(plain).toSorted(([x], [y]) => (x < y ? -1 : 1)));
}

function patternText(key: Doc): string {
  return JSON.stringify(Object.entries(key).map(([path, direction]) => [path, asNumber(direction)]));
}

export function indexNotFound(name: string): EngineError {
  return new EngineError(27, "IndexNotFound", `index not found with name [${name}]`);
}

function someFieldExists(paths: readonly string[]): (doc: Doc) => boolean {
  return compileMatcher({ $or: paths.map((path) => ({ [path]: { $exists: true } })) });
}
