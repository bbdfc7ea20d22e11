/*
 * What one write command or one transaction means to change: an overlay over what it reads, and its locks.
 * Before it: a statement; after it: database.ts, which writes the overlay in one commit.
 */
import type { Doc } from "../semantics/bson-codec.js";
import type { CollectionState } from "./catalog.js";
import type { Database } from "./database.js";
import type { Snapshot } from "./database-file.js";
import { writeConflict } from "./errors.js";
import type { DocumentEntries, IndexState } from "./index-state.js";
import { documentKey, keyText } from "./keys.js";
import type { ReadView } from "./read-view.js";

export interface StoredDocument {
  bytes: Buffer;
  doc: Doc;
}

/** `before` is the committed state, which the lock on the document keeps from changing. */
export interface Change {
  idKey: Buffer;
  hashedId: boolean;
  before: StoredDocument | undefined;
  after: StoredDocument | undefined;
  /** Of `after`, as they were checked: the commit holds everyone up and must not derive them again. */
  entries?: ReadonlyMap<IndexState, DocumentEntries>;
}

export interface CollectionChanges {
  collection: CollectionState;
  byId: Map<string, Change>;
}

/** The record that answers a retried write; written in the same commit as the write itself. */
export interface SessionRecord {
  lsid: Buffer;
  /** Called once, in the commit: a bulk write adds to the record statement by statement. */
  describe(): Doc;
}

/** A plain write waits this long in all for other writers, as long as a driver's patience with one statement. */
const PLAIN_WAIT_MS_MAX = 10_000;
/** A statement that already holds locks waits this long before it gives them up: longer would risk a deadlock. */
export const HOLDING_WAIT_MS_MAX = 50;
/** A commit of a large bulk write is cut here, to bound the memory of the overlay. */
const STAGED_BYTES_MAX = 16 * 1024 * 1024;

export class WorkUnit {
  view: ReadView;
  readonly changes = new Map<number, CollectionChanges>();
  readonly uniqueEntries = new Map<string, string | undefined>();
  sessionRecord: SessionRecord | undefined;
  /** How long a transaction waits for one lock; its first statement holds none and may wait longer. */
  patienceMs = HOLDING_WAIT_MS_MAX;
  #deadlineMs = Date.now() + PLAIN_WAIT_MS_MAX;
  #stagedBytes = 0;
  #flushes = 0;

  constructor(
    readonly database: Database,
    /** Present in a transaction: reads come from it, and newer commits are conflicts. */
    public snapshot?: Snapshot,
  ) {
    this.view = snapshot ?? database.file.latest;
  }

  /** Drops what was staged and reads from now on, with the locks kept: the statement will meet them as its own. */
  renewSnapshot(): void {
    this.snapshot?.release();
    this.snapshot = this.database.file.snapshot();
    this.view = this.snapshot;
    this.changes.clear();
    this.uniqueEntries.clear();
    this.#stagedBytes = 0;
  }

  waitUntil(deadlineMs: number): void {
    this.#deadlineMs = Math.min(this.#deadlineMs, deadlineMs);
  }

  usable(index: IndexState): boolean {
    return !this.snapshot || index.visibleFrom <= this.snapshot.version;
  }

  overlay(collection: CollectionState): ReadonlyMap<string, Change> | undefined {
    return this.changes.get(collection.id)?.byId;
  }

  /** The stored bytes as this unit sees them. */
  read(collection: CollectionState, idKey: Buffer): Buffer | undefined {
    const change = this.overlay(collection)?.get(keyText(idKey));
    return change ? change.after?.bytes : this.view.get(documentKey(collection.id, idKey));
  }

  /**
   * Locks a key for writing. "restart": to get it, everything staged so far was committed and every other lock
   * given up, so the caller must read its document again.
   * Throws EngineError 112 WriteConflict.
   */
  async lock(key: Buffer): Promise<"held" | "restart"> {
    return this.snapshot ? this.#lockInTransaction(key, this.snapshot) : this.#lockPlain(key);
  }

  stage(collection: CollectionState, change: Change): void {
    let changes = this.changes.get(collection.id);
    if (!changes) this.changes.set(collection.id, (changes = { collection, byId: new Map() }));
    const id = keyText(change.idKey);
    const earlier = changes.byId.get(id);
    changes.byId.set(id, earlier ? { ...change, before: earlier.before } : change);
    this.#stagedBytes += change.after?.bytes.length ?? 0;
  }

  get isFull(): boolean {
    return this.#stagedBytes > STAGED_BYTES_MAX;
  }

  /** How many commits this unit has tried. */
  get flushes(): number {
    return this.#flushes;
  }

  /** Commits what is staged and gives up all locks; the unit can be used on. */
  async flush(): Promise<void> {
    this.#flushes += 1;
    try {
      if (this.changes.size > 0 || this.sessionRecord) await this.database.commitUnit(this);
    } finally {
      this.discard();
    }
  }

  discard(): void {
    this.changes.clear();
    this.uniqueEntries.clear();
    this.sessionRecord = undefined;
    this.#stagedBytes = 0;
    this.database.file.locks.releaseAll(this);
  }

  async #lockPlain(key: Buffer): Promise<"held" | "restart"> {
    const { locks } = this.database.file;
    const text = keyText(key);
    if (locks.tryAcquire(this, text)) return "held";
    const holding = locks.holdsAny(this);
    const remainingMs = this.#deadlineMs - Date.now();
    const waitMs = holding ? Math.min(HOLDING_WAIT_MS_MAX, remainingMs) : remainingMs;
    if (await locks.acquire(this, text, waitMs)) return "held";
    if (!holding || remainingMs <= HOLDING_WAIT_MS_MAX) throw writeConflict("another writer held the document for too long");
    await this.flush();
    if (await locks.acquire(this, text, this.#deadlineMs - Date.now())) return "restart";
    throw writeConflict("another writer held the document for too long");
  }

  async #lockInTransaction(key: Buffer, snapshot: Snapshot): Promise<"held"> {
    const { file } = this.database;
    const text = keyText(key);
    if (!(await file.locks.acquire(this, text, this.#transactionPatienceMs()))) {
      throw writeConflict("another writer holds the document");
    }
    if (file.lastCommit(text) > snapshot.version) throw writeConflict("the document changed after the transaction began");
    return "held";
  }

  #transactionPatienceMs(): number {
    return this.database.file.locks.holdsAny(this) ? HOLDING_WAIT_MS_MAX : this.patienceMs;
  }
}
