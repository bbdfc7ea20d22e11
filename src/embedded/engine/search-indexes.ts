/*
 * The vector indexes of all open databases, kept in step with documents by the commits.
 * Before it: database.ts; after it: vector/.
 */
import { decode, type Doc } from "../semantics/bson-codec.js";
import { parseVectorIndexDefinition } from "../vector/index-definition.js";
import { PartitionCache } from "../vector/partition-cache.js";
import { searchError } from "../vector/search-error.js";
import { parseVectorSearchStage, searchedIndexName } from "../vector/search-stage.js";
import type { VectorHit } from "../vector/top-results.js";
import { VectorIndex } from "../vector/vector-index.js";
import type { CollectionState, StoredSearchIndex } from "./catalog.js";
import type { Database } from "./database.js";
import type { WriteView } from "./database-file.js";
import { DelayedCommits } from "./delayed-commits.js";
import { dropKeysLater } from "./dropped-keys.js";
import { documentPrefix, successor, vectorPrefix } from "./keys.js";
import { walk } from "./read-view.js";
import { committedVectors, writableVectors } from "./vector-store.js";

export interface VectorChange {
  idKey: Buffer;
  before: Doc | undefined;
  after: Doc | undefined;
}

export type SearchIndexStatus = "PENDING" | "BUILDING" | "READY";

/** The share of the test delay in which an index is still waiting to be built. */
const PENDING_SHARE = 0.3;

export function searchIndexStatus(index: StoredSearchIndex, delayMs: number): SearchIndexStatus {
  const ageMs = Date.now() - index.createdAtMs;
  if (ageMs >= delayMs) return "READY";
  return ageMs < delayMs * PENDING_SHARE ? "PENDING" : "BUILDING";
}

/** Atlas's ids are 24 hex digits; ours are the index's number in that form. */
export function searchIndexId(index: StoredSearchIndex): string {
  return index.id.toString(16).padStart(24, "0");
}

/** By the number of the index, which is unique in its database. */
type OpenIndexes = Map<number, { collectionId: number; index: VectorIndex }>;

export class SearchIndexes {
  readonly #cache: PartitionCache;
  readonly #byDatabase = new WeakMap<Database, OpenIndexes>();
  readonly #delayed: DelayedCommits | undefined;

  /** `residentBytes`: hot partitions of all databases together. */
  constructor(readonly delayMs: number, residentBytes: number, onError: (error: unknown) => void) {
    this.#cache = new PartitionCache(residentBytes);
    this.#delayed = delayMs > 0 ? new DelayedCommits(delayMs, onError) : undefined;
  }

  /** Opens what the collection has now and closes what it no longer has; called whenever the catalog changed. */
  open(database: Database, collection: CollectionState): void {
    const open = this.#openIndexes(database);
    this.#close(open, collection.id, new Set(collection.searchIndexes.map(({ id }) => id)));
    for (const stored of collection.searchIndexes) {
      if (open.has(stored.id)) continue;
      open.set(stored.id, { collectionId: collection.id, index: this.#vectorIndex(database, stored) });
    }
  }

  close(database: Database, collection: CollectionState): void {
    this.#close(this.#openIndexes(database), collection.id, new Set());
  }

  dropKeys(view: WriteView, collection: Pick<CollectionState, "searchIndexes">): void {
    for (const { id } of collection.searchIndexes) dropKeysLater(view, vectorPrefix(id));
  }

  /** Fills a new index from the documents there are, inside the commit that makes it. */
  build(view: WriteView, database: Database, collection: CollectionState, stored: StoredSearchIndex): void {
    const index = this.#vectorIndex(database, stored);
    const kv = writableVectors(view);
    const prefix = documentPrefix(collection.id);
    for (const { key, value } of walk(view, prefix, successor(prefix))) {
      index.apply(kv, { docKey: key.subarray(prefix.length), after: decode(value) });
    }
    index.close();
  }

  /** Inside a commit. What is returned runs once the commit is visible. */
  apply(view: WriteView, database: Database, collection: CollectionState, change: VectorChange): (() => void)[] {
    if (collection.searchIndexes.length === 0) return [];
    const ids = collection.searchIndexes.map(({ id }) => id);
    if (!this.#delayed) return this.#applyTo(view, database, ids, change);
    const delayed = this.#delayed;
    return [() => delayed.add(database.file, (later) => this.#applyTo(later, database, ids, change))];
  }

  /** Throws EngineError 8 as Atlas does; an index that does not exist finds nothing. */
  search(database: Database, collection: CollectionState, stage: Doc): VectorHit[] {
    const name = searchedIndexName(stage);
    const stored = collection.searchIndexes.find((candidate) => candidate.name === name);
    const open = stored && this.#openIndexes(database).get(stored.id);
    if (!stored || !open) return [];
    const status = searchIndexStatus(stored, this.delayMs);
    if (status !== "READY") throw searchError(`cannot query vector index ${name} while in state ${status}`);
    return open.index.search(parseVectorSearchStage(stage, open.index.definition));
  }

  /** Writes what the test delay still holds back. */
  async settle(): Promise<void> {
    await this.#delayed?.settle();
  }

  #applyTo(view: WriteView, database: Database, ids: readonly number[], { idKey, before, after }: VectorChange): (() => void)[] {
    const kv = writableVectors(view);
    const change = { docKey: idKey, ...(before ? { before } : {}), ...(after ? { after } : {}) };
    return ids.flatMap((id) => {
      const open = this.#openIndexes(database).get(id);
      const applied = open?.index.apply(kv, change) ?? [];
      return open && applied.length > 0 ? [() => open.index.committed(applied)] : [];
    });
  }

  #vectorIndex(database: Database, stored: StoredSearchIndex): VectorIndex {
    const definition = parseVectorIndexDefinition(stored.name, stored.definition);
    return new VectorIndex(definition, stored.id, committedVectors(database.file), this.#cache);
  }

  #openIndexes(database: Database): OpenIndexes {
    let open = this.#byDatabase.get(database);
    if (!open) this.#byDatabase.set(database, (open = new Map()));
    return open;
  }

  #close(open: OpenIndexes, collectionId: number, kept: ReadonlySet<number>): void {
    for (const [id, { collectionId: owner, index }] of open) {
      if (owner !== collectionId || kept.has(id)) continue;
      index.close();
      open.delete(id);
    }
  }
}
