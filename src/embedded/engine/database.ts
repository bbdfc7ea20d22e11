/*
 * One open database: its file, its catalog, and the commits that change either.
 * Before it: engine.ts; after it: database-file.ts and index-writer.ts.
 */
import { EngineError } from "../engine-error.js";
import { encode, type Doc } from "../semantics/bson-codec.js";
import { Catalog, changedCollection, newCollection, takeId, writeCollection, type CollectionChange, type CollectionState } from "./catalog.js";
import { DatabaseFile, type WriteView } from "./database-file.js";
import { namespaceNotFound, writeConflict } from "./errors.js";
import { indexStateOf, type IndexState } from "./index-state.js";
import { buildIndex, writeIndexEntries } from "./index-writer.js";
import { catalogKey, documentKey, documentPrefix, indexPrefix, keyText, sessionKey } from "./keys.js";
import { dropKeysLater } from "./dropped-keys.js";
import type { SearchIndexes } from "./search-indexes.js";
import type { CollectionChanges, WorkUnit } from "./work-unit.js";

/** Thrown when a collection changed between a plain write's checks and its commit: the command starts over. */
export class CatalogChanged extends EngineError {
  constructor() {
    super(112, "WriteConflict", "The collection changed while the write was under way", ["TransientTransactionError"]);
  }
}

export class Database {
  readonly catalog = new Catalog();

  constructor(
    readonly name: string,
    readonly file: DatabaseFile,
    readonly searchIndexes: SearchIndexes,
  ) {
    this.catalog.load(file.latest);
    for (const collection of this.catalog.all()) searchIndexes.open(this, collection);
  }

  namespace(collection: CollectionState): string {
    return `${this.name}.${collection.name}`;
  }

  /** The collection, made now when there is none, as a first insert does. */
  async ensureCollection(name: string): Promise<CollectionState> {
    return this.catalog.get(name) ?? this.createCollection(name, {}, { mayExist: true });
  }

  /** Throws EngineError 48 NamespaceExists. */
  async createCollection(name: string, options: Doc, how: { mayExist: boolean }): Promise<CollectionState> {
    let made: CollectionState | undefined;
    await this.file.commit({
      alone: true,
      apply: (view) => {
        made = this.catalog.get(name);
        if (made && !how.mayExist) throw new EngineError(48, "NamespaceExists", `Collection ${this.name}.${name} already exists.`);
        if (made) return;
        made = newCollection(takeId(view), name, options);
        writeCollection(view, made);
      },
      visible: () => made && this.catalog.set(made),
    });
    return this.require(name);
  }

  /** Replaces a collection's state in one commit. Throws EngineError 26 NamespaceNotFound. */
  async changeCollection(name: string, change: (collection: CollectionState, view: WriteView) => CollectionChange | undefined): Promise<void> {
    let changed: CollectionState | undefined;
    await this.file.commit({
      alone: true,
      apply: (view) => {
        const collection = this.require(name);
        const changes = change(collection, view);
        changed = changes && changedCollection(collection, changes);
        if (changed) writeCollection(view, changed);
      },
      visible: () => {
        if (changed) this.catalog.set(changed);
        if (changed) this.searchIndexes.open(this, changed);
      },
    });
  }

  /** False when there was no such collection. */
  async dropCollection(name: string): Promise<boolean> {
    let dropped: CollectionState | undefined;
    await this.file.commit({
      alone: true,
      apply: (view) => {
        dropped = this.catalog.get(name);
        if (!dropped) return;
        view.remove(catalogKey(name));
        dropKeysLater(view, documentPrefix(dropped.id));
        for (const index of dropped.indexes) dropKeysLater(view, indexPrefix(index.id));
        this.searchIndexes.dropKeys(view, dropped);
      },
      visible: () => {
        this.catalog.delete(name);
        if (dropped) this.searchIndexes.close(this, dropped);
      },
    });
    return dropped !== undefined;
  }

  /** Builds and adds indexes in one commit. Throws EngineError 11000 when a unique index cannot be. */
  async addIndexes(name: string, specs: readonly Doc[]): Promise<void> {
    await this.changeCollection(name, (collection, view) => {
      const added = specs.map((spec) => {
        const stored = { id: takeId(view), spec, multikey: false, hashed: false };
        const index = indexStateOf(stored, this.file.version + 1);
        buildIndex(view, this.namespace(collection), collection, index);
        return index;
      });
      return { indexes: [...collection.indexes, ...added] };
    });
  }

  async dropIndexes(name: string, drop: (index: IndexState) => boolean): Promise<void> {
    await this.changeCollection(name, (collection, view) => {
      for (const index of collection.indexes.filter(drop)) dropKeysLater(view, indexPrefix(index.id));
      return { indexes: collection.indexes.filter((index) => !drop(index)) };
    });
  }

  require(name: string): CollectionState {
    const collection = this.catalog.get(name);
    if (!collection) throw namespaceNotFound(`${this.name}.${name}`);
    return collection;
  }

  /** One durable commit of everything the unit staged, its session record included. */
  async commitUnit(unit: WorkUnit): Promise<void> {
    const changes = [...unit.changes.values()];
    const uniqueKeys = [...unit.uniqueEntries.keys()];
    const record = unit.sessionRecord;
    let afterwards: (() => void)[] = [];
    await this.file.commit({
      check: () => this.#refuseChangedCatalog(changes, unit),
      apply: (view) => {
        afterwards = changes.flatMap((own) => this.#writeChanges(view, own));
        if (record) view.put(sessionKey(record.lsid), encode(record.describe()));
      },
      visible: (version) => {
        for (const run of afterwards) run();
        for (const own of changes) this.#noteVisible(own, version);
        this.file.noteCommitted(uniqueKeys, version);
      },
    });
  }

  #refuseChangedCatalog(changes: readonly CollectionChanges[], unit: WorkUnit): void {
    for (const { collection } of changes) {
      if (this.catalog.get(collection.name) === collection) continue;
      throw unit.snapshot ? writeConflict("the collection changed after the transaction began") : new CatalogChanged();
    }
  }

  /** What is returned runs when the commit is visible. */
  #writeChanges(view: WriteView, { collection, byId }: CollectionChanges): (() => void)[] {
    const afterwards: (() => void)[] = [];
    let flagged = false;
    for (const change of byId.values()) {
      const key = documentKey(collection.id, change.idKey);
      if (change.after) view.put(key, change.after.bytes);
      else if (change.before) view.remove(key);
      flagged ||= change.hashedId && !collection.hashedIds;
      collection.hashedIds ||= change.hashedId;
      const docs = { idKey: change.idKey, before: change.before?.doc, after: change.after?.doc, entries: change.entries };
      for (const index of collection.indexes) if (writeIndexEntries(view, index, docs)) flagged = true;
      afterwards.push(...this.searchIndexes.apply(view, this, collection, docs));
    }
    if (flagged) writeCollection(view, collection);
    return afterwards;
  }

  #noteVisible({ collection, byId }: CollectionChanges, version: number): void {
    const changes = [...byId.values()];
    const keys = changes.map((change) => keyText(documentKey(collection.id, change.idKey)));
    this.file.noteCommitted(keys, version);
  }
}
