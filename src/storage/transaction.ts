import type { ClientSession, Db, MongoClient } from "mongodb";
import { setTimeout as sleep } from "node:timers/promises";
import { isTransient, isUnknownCommit, translateDriverError } from "./driver-errors.js";
import type { RowSealer } from "./row-sealer.js";

/** A database with the client that reaches it: a transaction needs both. */
export interface TenantDatabase {
  readonly client: MongoClient;
  readonly db: Db;
  /** How rows lie in it; in the clear when left out. */
  readonly sealer?: RowSealer;
}

/** How long a conflict is fought before the caller is told to come back: half the default request deadline. */
const retryForMs = 15_000;
/** First pause after a conflict; doubles up to the second, with jitter so that rivals part. */
const pauseMsMin = 2;
const pauseMsMax = 200;

/**
 * Runs `work` in one transaction: all of it is durable on a majority when this resolves, none of it
 * when `work` threw. `work` runs again after a conflict, so it must keep nothing between runs. A
 * driver's error comes out translated; after an unknown commit it is `SERVICE_UNAVAILABLE`.
 */
export async function runTransaction<Value>(client: MongoClient, work: (session: ClientSession) => Promise<Value>): Promise<Value> {
  const endsAt = performance.now() + retryForMs;
  const session = client.startSession();
  try {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await attemptOnce(session, work, endsAt);
      } catch (error) {
        if (!isTransient(error) || performance.now() >= endsAt) throw translateDriverError(error);
        await sleep(pauseMs(attempt));
      }
    }
  } finally {
    await session.endSession();
  }
}

async function attemptOnce<Value>(session: ClientSession, work: (session: ClientSession) => Promise<Value>, endsAt: number): Promise<Value> {
  session.startTransaction({ readConcern: { level: "snapshot" }, writeConcern: { w: "majority" }, readPreference: "primary" });
  let value: Value;
  try {
    value = await work(session);
  } catch (error) {
    // The server may have aborted it already; an abort that fails leaves a transaction that expires by itself.
    if (session.inTransaction()) await session.abortTransaction().catch(() => undefined);
    throw error;
  }
  await commit(session, endsAt);
  return value;
}

/** Repeating a commit is safe: the server remembers the transaction's outcome by its number. */
async function commit(session: ClientSession, endsAt: number): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      await session.commitTransaction();
      return;
    } catch (error) {
      if (!isUnknownCommit(error) || performance.now() >= endsAt) throw error;
      await sleep(pauseMs(attempt));
    }
  }
}

function pauseMs(attempt: number): number {
  return Math.min(pauseMsMax, pauseMsMin * 2 ** Math.min(attempt, 10)) * (0.5 + Math.random());
}
