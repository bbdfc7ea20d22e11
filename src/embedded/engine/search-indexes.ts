/*
 * The vector indexes of all open databases, kept in step with documents by the commits.
 * Before it: database.ts; after it: vector/.
 */
import type { Doc } from "../semantics/bson-codec.js";
import type { CollectionState } from "./catalog.js";
import type { Database } from "./database.js";
import type { WriteView } from "./database-file.js";
import { dropKeysLater } from "./dropped-keys.js";
import { vectorPrefix } from "./keys.js";

export interface VectorChange {
  idKey: Buffer;
  before: Doc | undefined;
  after: Doc | undefined;
}

export class SearchIndexes {
  open(_database: Database, _collection: CollectionState): void {}

  close(_database: Database, _collection: CollectionState): void {}

  dropKeys(view: WriteView, collection: CollectionState): void {
    for (const index of collection.searchIndexes) dropKeysLater(view, vectorPrefix(index.id));
  }

  apply(_view: WriteView, _database: Database, _collection: CollectionState, _change: VectorChange): void {}

  committed(_database: Database, _collection: CollectionState, _changes: readonly VectorChange[]): void {}
}
