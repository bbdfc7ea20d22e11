/*
 * The vector indexes of all open databases, kept in step with documents by the commits.
 * Before it: database.ts; after it: vector/.
 */
import { EngineError } from "../engine-error.js";
import type { Doc } from "../semantics/bson-codec.js";
import type { CollectionState, StoredSearchIndex } from "./catalog.js";
import type { Database } from "./database.js";
import type { WriteView } from "./database-file.js";
import { dropKeysLater } from "./dropped-keys.js";
import { vectorPrefix } from "./keys.js";

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

export class SearchIndexes {
  open(_database: Database, _collection: CollectionState): void {}

  close(_database: Database, _collection: CollectionState): void {}

  dropKeys(view: WriteView, collection: Pick<CollectionState, "searchIndexes">): void {
    for (const index of collection.searchIndexes) dropKeysLater(view, vectorPrefix(index.id));
  }

  /** Fills a new index from the documents there are, inside the commit that makes it. */
  build(_view: WriteView, _database: Database, _collection: CollectionState, _index: StoredSearchIndex): void {}

  apply(_view: WriteView, _database: Database, _collection: CollectionState, _change: VectorChange): void {}

  committed(_database: Database, _collection: CollectionState, _changes: readonly VectorChange[]): void {}

  search(_database: Database, _collection: CollectionState, _stage: Doc, _delayMs: number): { docKey: Buffer; score: number }[] {
    throw new EngineError(238, "NotImplemented", "$vectorSearch is not served by this engine");
  }
}
