/*
 * One LMDB environment per MongoDB database: committed reads, held snapshots and grouped durable commits.
 * Before it: engine.ts, which opens it; after it: the disk.
 */
import { statSync } from "node:fs";
import { open, type RootDatabase } from "lmdb";
import { EngineError } from "../engine-error.js";
import { DocumentLocks } from "./document-locks.js";
import type { KeyValue, ReadView } from "./read-view.js";

type Environment = RootDatabase<Buffer, Buffer>;
type HeldTransaction = ReturnType<Environment["useReadTransaction"]>;

/** Reads and writes of the state inside one commit; synchronous, and used in the commit's callback only. */
export interface WriteView extends ReadView {
  put(key: Buffer, value: Buffer): void;
  remove(key: Buffer): void;
}

export interface Commit {
  /** Changes the catalog, which others in the same group would read too early. */
  alone?: boolean;
  /** Refuses by throwing, before anything is written, when what was checked earlier no longer holds. */
  check?(): void;
  /** Writes; must not fail for reasons that `check` could have seen. */
  apply(view: WriteView): void;
  /** Runs when the commit is durable and visible, before any later commit begins. */
  visible?(version: number): void;
}

export interface Snapshot extends ReadView {
  /** The commits numbered up to here are in the snapshot. */
  readonly version: number;
  release(): void;
}

interface Queued {
  work: Commit;
  resolve(): void;
  reject(error: unknown): void;
}

/** A commit group is bounded so that one flush does not hold the event loop for long. */
const GROUP_COMMITS_MAX = 256;

export class DatabaseFile {
  readonly locks = new DocumentLocks();
  readonly latest: ReadView;
  readonly #path: string;
  readonly #env: Environment;
  readonly #lastCommits = new Map<string, number>();
  #queue: Queued[] = [];
  #running: Promise<void> | undefined;
  #version = 0;
  /** In the order of their versions, since versions only grow. */
  readonly #snapshots = new Set<{ version: number }>();
  #closed = false;
  #committing = false;

  constructor(path: string, durable: boolean) {
    this.#path = path;
    // Without overlappingSync the promise of a commit resolves after the flush: visible means durable.
    this.#env = open<Buffer, Buffer>({
      path,
      noSubdir: true,
      encoding: "binary",
      keyEncoding: "binary",
      overlappingSync: false,
      noSync: !durable,
      maxReaders: 1_024,
    });
    this.latest = this.#view();
  }

  get version(): number {
    return this.#version;
  }

  snapshot(): Snapshot {
    this.#refuseClosed();
    this.#env.resetReadTxn();
    const transaction = this.#env.useReadTransaction();
    // Version and snapshot are taken in one synchronous step: a commit cannot become visible in between.
    const version = this.#version;
    const open = { version };
    this.#snapshots.add(open);
    let released = false;
    const release = (): void => {
      if (released) return;
      released = true;
      transaction.done();
      this.#snapshots.delete(open);
      this.#forgetOldCommits();
    };
    return { ...this.#view(transaction, () => released), version, release };
  }

  /** The number of the commit that last wrote `key`; only kept while some snapshot is older. */
  lastCommit(key: string): number {
    return this.#lastCommits.get(key) ?? 0;
  }

  noteCommitted(keys: Iterable<string>, version: number): void {
    if (this.#snapshots.size === 0) return;
    for (const key of keys) {
      // Taken out first, so that the map stays in the order of versions.
      this.#lastCommits.delete(key);
      this.#lastCommits.set(key, version);
    }
  }

  /** Under a steady load some snapshot is always open; only what the oldest one may still ask for is kept. */
  #forgetOldCommits(): void {
    const [oldest] = this.#snapshots;
    for (const [key, version] of this.#lastCommits) {
      if (oldest && version > oldest.version) return;
      this.#lastCommits.delete(key);
    }
  }

  /** Resolves when the commit is on disk and visible to every later read. */
  commit(work: Commit): Promise<void> {
    this.#refuseClosed();
    return new Promise<void>((resolve, reject) => {
      this.#queue.push({ work, resolve, reject });
      this.#running ??= this.#drain();
    });
  }

  /** Bytes of the file on disk; it never shrinks. */
  sizeBytes(): number {
    return this.#closed ? 0 : statSync(this.#path).size;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Waits for commits that are under way; later use is refused by name instead of touching unmapped memory. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#running;
    await this.#env.close();
  }

  async #drain(): Promise<void> {
    // One turn of waiting lets the writes of this turn share a flush.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const group = this.#queue.splice(0, groupSize(this.#queue));
      await this.#commitGroup(group);
    }
    this.#running = undefined;
  }

  async #commitGroup(group: Queued[]): Promise<void> {
    const written: Queued[] = [];
    try {
      // A child transaction rolls back when its callback throws; a plain batched callback would not.
      await this.#env.childTransaction(() => this.#applyGroup(group, written));
    } catch (error) {
      if (written.length <= 1) return group.forEach((queued) => queued.reject(error));
      // One bad commit must not fail its neighbours: each gets its own turn.
      for (const queued of written) await this.#commitGroup([queued]);
      return;
    }
    this.#env.resetReadTxn();
    for (const queued of written) {
      // Only now: a snapshot taken before this line does not hold the commit and must not claim its number.
      this.#version += 1;
      queued.work.visible?.(this.#version);
      queued.resolve();
    }
  }

  #applyGroup(group: readonly Queued[], written: Queued[]): void {
    this.#committing = true;
    try {
      for (const queued of group) if (passes(queued)) written.push(queued);
      for (const queued of written) queued.work.apply(this.#writeView());
    } finally {
      this.#committing = false;
    }
  }

  #view(transaction?: HeldTransaction, isReleased = () => false): ReadView {
    const held = transaction ? { transaction } : {};
    const env = (): Environment => this.#usable(isReleased());
    return {
      get: (key) => env().get(key, held),
      chunk: (start, end, reverse, limit) => readChunk(env(), start, end, reverse, limit, held),
      count: (start, end) => env().getKeysCount({ start, end, ...held }),
    };
  }

  #usable(isReleased: boolean): Environment {
    // Commits that were queued before the file closed still read through their own write transaction.
    if (this.#closed && !this.#committing) this.#refuseClosed();
    if (isReleased) throw new EngineError(251, "NoSuchTransaction", "The transaction has ended", ["TransientTransactionError"]);
    return this.#env;
  }

  #refuseClosed(): void {
    if (this.#closed) throw databaseGone();
  }

  #writeView(): WriteView {
    const env = this.#env;
    return { ...this.#view(), put: (key, value) => env.putSync(key, value), remove: (key) => void env.removeSync(key) };
  }
}

function groupSize(queue: readonly Queued[]): number {
  const single = queue.findIndex((queued) => queued.work.alone);
  if (single === 0) return 1;
  return Math.min(GROUP_COMMITS_MAX, single === -1 ? queue.length : single);
}

function databaseGone(): EngineError {
  return new EngineError(91, "ShutdownInProgress", "The database was closed or dropped");
}

function passes(queued: Queued): boolean {
  try {
    queued.work.check?.();
    return true;
  } catch (error) {
    queued.reject(error);
    return false;
  }
}

function readChunk(
  env: Environment,
  start: Buffer,
  end: Buffer,
  reverse: boolean,
  limit: number,
  held: { transaction?: HeldTransaction },
): KeyValue[] {
  const entries: KeyValue[] = [];
  if (!reverse) {
    for (const entry of env.getRange({ start, end, limit, ...held })) entries.push(entry);
    return entries;
  }
  // Backwards LMDB's start is the upper end and inclusive; ours is exclusive, hence one entry more.
  const backwards = env.getRange({ start: end, end: start, reverse: true, inclusiveEnd: true, limit: limit + 1, ...held });
  for (const entry of backwards) {
    if (Buffer.compare(entry.key, end) < 0 && entries.length < limit) entries.push(entry);
  }
  return entries;
}
