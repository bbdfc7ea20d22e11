/*
 * What collections and indexes a database has: read once when its file opens, replaced whole on every change.
 * Before it: database-file.ts; after it: planner.ts, database.ts and the commands that change a collection.
 */
import { Binary, UUID } from "bson";
import { decode, encode, type Doc } from "../semantics/bson-codec.js";
import { indexStateOf, storedIndexOf, type IndexState, type StoredIndex } from "./index-state.js";
import { catalogKey, catalogRange, metaKey } from "./keys.js";
import { walk, type ReadView } from "./read-view.js";
import type { WriteView } from "./database-file.js";
import { compileValidator, type Validator } from "./validator.js";
import { asNumber } from "./values.js";

export interface StoredSearchIndex {
  id: number;
  name: string;
  type: string;
  definition: Doc;
  /** Milliseconds since 1970 when the definition was accepted: the test delay counts from here. */
  createdAtMs: number;
  version: number;
}

/** Immutable but for two flags: every other change makes a new object, and identity is what commits compare. */
export interface CollectionState {
  readonly id: number;
  readonly name: string;
  readonly uuid: Buffer;
  readonly options: Doc;
  readonly validator: Validator | undefined;
  /** Without the index on `_id`, which is the document key itself. */
  readonly indexes: readonly IndexState[];
  readonly searchIndexes: readonly StoredSearchIndex[];
  /** Some `_id` was too long for a key in order; only ever goes from false to true. */
  hashedIds: boolean;
}

export type CollectionChange = Partial<Pick<CollectionState, "options" | "indexes" | "searchIndexes">>;

export class Catalog {
  readonly #collections = new Map<string, CollectionState>();

  load(view: ReadView): void {
    const { start, end } = catalogRange();
    for (const { key, value } of walk(view, start, end)) {
      const name = key.subarray(1).toString("utf8");
      this.#collections.set(name, collectionFrom(name, decode(value)));
    }
  }

  get(name: string): CollectionState | undefined {
    return this.#collections.get(name);
  }

  all(): CollectionState[] {
    return [...this.#collections.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  get size(): number {
    return this.#collections.size;
  }

  set(collection: CollectionState): void {
    this.#collections.set(collection.name, collection);
  }

  delete(name: string): void {
    this.#collections.delete(name);
  }
}

export function newCollection(id: number, name: string, options: Doc): CollectionState {
  const uuid = Buffer.from(new UUID().buffer);
  return { id, name, uuid, options, validator: compileValidator(options), indexes: [], searchIndexes: [], hashedIds: false };
}

export function changedCollection(collection: CollectionState, change: CollectionChange): CollectionState {
  const changed = { ...collection, ...change };
  return change.options ? { ...changed, validator: compileValidator(change.options) } : changed;
}

export function writeCollection(view: WriteView, collection: CollectionState): void {
  const stored: Doc = {
    id: collection.id,
    uuid: new Binary(collection.uuid, 4),
    options: collection.options,
    indexes: collection.indexes.map(storedIndexOf),
    searchIndexes: collection.searchIndexes,
    hashedIds: collection.hashedIds,
  };
  view.put(catalogKey(collection.name), encode(stored));
}

/** Collections and indexes draw from one counter, and no number is ever used twice. */
export function takeId(view: WriteView): number {
  const key = metaKey("nextId");
  const next = view.get(key)?.readUInt32BE(0) ?? 1;
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(next + 1);
  view.put(key, bytes);
  return next;
}

function collectionFrom(name: string, stored: Doc): CollectionState {
  const options = stored["options"] as Doc;
  const uuid = stored["uuid"] as Binary;
  return {
    id: asNumber(stored["id"]),
    name,
    uuid: Buffer.from(uuid.buffer),
    options,
    validator: compileValidator(options),
    indexes: (stored["indexes"] as Doc[]).map((index) => indexStateOf(storedIndexFrom(index), 0)),
    searchIndexes: (stored["searchIndexes"] as Doc[]).map(searchIndexFrom),
    hashedIds: stored["hashedIds"] === true,
  };
}

function storedIndexFrom(stored: Doc): StoredIndex {
  return {
    id: asNumber(stored["id"]),
    spec: stored["spec"] as Doc,
    multikey: stored["multikey"] === true,
    hashed: stored["hashed"] === true,
  };
}

function searchIndexFrom(stored: Doc): StoredSearchIndex {
  return {
    id: asNumber(stored["id"]),
    name: String(stored["name"]),
    type: String(stored["type"]),
    definition: stored["definition"] as Doc,
    createdAtMs: asNumber(stored["createdAtMs"]),
    version: asNumber(stored["version"]),
  };
}
