/*
 * What the clock does: expires documents of TTL indexes, transactions, cursors and old session records.
 * Before it: engine.ts; after it: ordinary work units, one small commit at a time.
 */
import { decode, type Doc } from "../semantics/bson-codec.js";
import { Breath } from "./breathe.js";
import type { CollectionState } from "./catalog.js";
import { prepareRead } from "./collection-reader.js";
import type { Database } from "./database.js";
import { deleteDocument } from "./document-writer.js";
import type { Engine } from "./engine.js";
import type { IndexState } from "./index-state.js";
import { documentKey, sessionRange } from "./keys.js";
import { walk } from "./read-view.js";
import { SESSION_IDLE_MINUTES_MAX } from "./session-registry.js";
import { WorkUnit } from "./work-unit.js";

/** Transactions live 60 s at most: looked at every second they end at most a second late. */
const TICK_MS = 1_000;
/** MongoDB's own `ttlMonitorSleepSecs`. */
const TTL_EVERY_MS = 60_000;
/** Documents deleted in one commit. */
const TTL_BATCH = 500;

export class Sweeper {
  readonly #engine: Engine;
  readonly #timer: NodeJS.Timeout;
  #lastTtlMs = Date.now();
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#timer = setInterval(() => this.#tick(), Math.min(TICK_MS, engine.sessions.transactionLifetimeMs));
    this.#timer.unref();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#running;
  }

  #tick(): void {
    const nowMs = Date.now();
    this.#engine.sessions.expire(nowMs);
    this.#engine.cursors.removeIdle(nowMs);
    if (nowMs - this.#lastTtlMs < TTL_EVERY_MS) return;
    this.#lastTtlMs = nowMs;
    this.#running = this.#running.then(() => this.sweep(nowMs));
  }

  /** Every TTL index and session record of the open databases, once. */
  async sweep(nowMs: number): Promise<void> {
    for (const database of this.#engine.openDatabases()) {
      try {
        await expireSessionRecords(database, nowMs);
        for (const collection of database.catalog.all()) {
          for (const index of collection.indexes) if (!this.#stopped) await expireDocuments(database, collection, index, nowMs);
        }
      } catch (error) {
        if (!database.file.isClosed) this.#engine.event("warn", `Expiring documents of '${database.name}' failed: ${String(error)}`);
      }
    }
  }
}

/** Deletes what a TTL index says is over. */
export async function expireDocuments(database: Database, collection: CollectionState, index: IndexState, nowMs: number): Promise<void> {
  const path = index.paths[0];
  if (index.expireAfterSeconds === undefined || path === undefined) return;
  const isOver: Doc = { [path]: { $lte: new Date(nowMs - index.expireAfterSeconds * 1_000) } };
  // Said together with the index's own filter, so that the planner may walk a partial index.
  const filter = index.partialFilter ? (path in index.partialFilter ? { $and: [isOver, index.partialFilter] } : { ...index.partialFilter, ...isOver }) : isOver;
  const unit = new WorkUnit(database);
  const breath = new Breath();
  let staged = 0;
  try {
    const read = prepareRead(unit, collection, { filter, hint: index.name });
    for (const found of read.documents()) {
      if (!index.covers(found.doc)) continue;
      if ((await unit.lock(documentKey(collection.id, found.idKey))) === "restart") continue;
      const bytes = unit.read(collection, found.idKey);
      // Touched since it was listed: the next round decides again.
      if (!bytes?.equals(found.bytes)) continue;
      deleteDocument(unit, collection, found.idKey, { bytes, doc: found.doc });
      staged += 1;
      if (staged % TTL_BATCH === 0) await unit.flush();
      if (breath.isSpent) await breath.rest();
    }
    await unit.flush();
  } finally {
    unit.discard();
  }
}

async function expireSessionRecords(database: Database, nowMs: number): Promise<void> {
  const { start, end } = sessionRange();
  const oldest = nowMs - SESSION_IDLE_MINUTES_MAX * 60_000;
  const old: Buffer[] = [];
  for (const { key, value } of walk(database.file.latest, start, end)) {
    const at = decode(value)["at"];
    if (at instanceof Date && at.getTime() < oldest) old.push(key);
  }
  if (old.length === 0) return;
  await database.file.commit({ apply: (view) => old.forEach((key) => view.remove(key)) });
}
