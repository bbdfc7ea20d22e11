/**
 * The fence of a tenant in one database: who may write there, in which epoch. A writer takes its
 * server's stripe as the first statement of the transaction that writes; a mover closes the root,
 * so that no stripe can be made, and then every stripe. Both sides touch the same documents, so the
 * database decides every race between them and no clock or cache lifetime is trusted.
 */
import { MongoServerError, type ClientSession, type Collection, type Db } from "mongodb";
import { setTimeout as sleep } from "node:timers/promises";
import { conflict, serviceUnavailable } from "../kernel/errors.js";
import type { TenantId } from "../kernel/ids.js";
import { translating } from "./driver-errors.js";
import { runTransaction, type TenantDatabase } from "./transaction.js";

/** Thrown by every write of a store whose fence is closed or has another epoch; nothing was written. */
export class FenceRefused extends Error {
  constructor(readonly tenantId: TenantId, readonly epoch: number) {
    super(`The fence of ${tenantId} does not admit writes of epoch ${epoch}`);
    this.name = "FenceRefused";
  }
}

export interface StoredFence {
  _id: { tenant: string; stripe: string };
  tenant_id: string;
  epoch: number;
  open: boolean;
  /** Number of the last write that took this stripe. Never goes back, not even over epochs. */
  seq: number;
  /** Token of the mover that has claimed a closed root. */
  mover?: string;
}

const rootStripe = "root";
const majority = { writeConcern: { w: "majority" } } as const;
const duplicateKey = 11_000;
const writeConflict = 112;

/**
 * A writer that has taken its stripe holds it until its transaction ends, which MongoDB forces after
 * 60 s: a closer must outwait that.
 */
const closeForMs = 75_000;
const closePauseMs = 20;

/**
 * Lets writers of `epoch` in. For a new tenant, for the target of a move and for a source whose move
 * was cancelled. Repeating it changes nothing. Throws `CONFLICT` when the database is open in
 * another epoch, or has seen a later one, or when `mover` is given and has not claimed it any more.
 */
export async function openFence(database: TenantDatabase, tenantId: TenantId, epoch: number, mover?: string): Promise<void> {
  const fences = fencesOf(database.db);
  await translating(async () => {
    const root = await fences.findOne({ _id: fenceId(tenantId, rootStripe) }, { readConcern: { level: "majority" } });
    if (root?.open === true && root.epoch === epoch) return;
    try {
      await fences.updateOne(
        { _id: fenceId(tenantId, rootStripe), open: false, epoch: { $lte: epoch }, ...(mover === undefined ? {} : { mover }) },
        { $set: { open: true, epoch }, $unset: { mover: "" }, $setOnInsert: { tenant_id: tenantId, seq: 0 } },
        { ...majority, upsert: root === null && mover === undefined },
      );
    } catch (error) {
      if (!isDuplicate(error)) throw error;
    }
    // Read back instead of trusting the count: another server may have opened it at the same moment.
    const opened = await fences.findOne({ _id: fenceId(tenantId, rootStripe) }, { readConcern: { level: "majority" } });
    if (opened?.open !== true || opened.epoch !== epoch) throw conflict(`The fence of ${tenantId} cannot be opened in epoch ${epoch}`);
  });
}

/** Whether writers of exactly this epoch are let in. */
export async function isFenceOpen(database: TenantDatabase, tenantId: TenantId, epoch: number): Promise<boolean> {
  const root = await translating(() => fencesOf(database.db).findOne({ _id: fenceId(tenantId, rootStripe), epoch, open: true }, { readConcern: { level: "majority" } }));
  return root !== null;
}

/**
 * Returns when no writer of `epoch` or an earlier one can commit any more; what such a writer
 * committed before is visible to a majority read then. Repeating it changes nothing. Throws
 * `CONFLICT` when the root is in a later epoch, `SERVICE_UNAVAILABLE` when a writer does not end.
 */
export async function closeFence(database: TenantDatabase, tenantId: TenantId, epoch: number): Promise<void> {
  const fences = fencesOf(database.db);
  const endsAt = performance.now() + closeForMs;
  await translating(async () => {
    // The root first: a stripe made after the list below was read would stay open.
    const root = await outwaitingWriters(endsAt, () =>
      fences.findOneAndUpdate({ _id: fenceId(tenantId, rootStripe), epoch: { $lte: epoch } }, { $set: { open: false } }, majority),
    );
    if (root === null && (await fences.findOne({ _id: fenceId(tenantId, rootStripe) })) !== null) {
      throw conflict(`The fence of ${tenantId} is in a later epoch than ${epoch}`);
    }
    for (;;) {
      const open = await fences.findOne({ tenant_id: tenantId, open: true, "_id.stripe": { $ne: rootStripe } });
      if (open === null) return;
      await outwaitingWriters(endsAt, () => fences.updateOne({ _id: open._id }, { $set: { open: false } }, majority));
    }
  });
}

/**
 * First statement of every write transaction. Takes `count` consecutive numbers of this server's
 * stripe and returns the first; undefined when the stripe is missing, closed or of another epoch.
 */
export async function takeFence(
  database: TenantDatabase,
  session: ClientSession,
  fence: { readonly tenantId: TenantId; readonly stripe: string; readonly epoch: number },
  count: number,
): Promise<number | undefined> {
  const taken = await fencesOf(database.db).findOneAndUpdate(
    { _id: fenceId(fence.tenantId, fence.stripe), epoch: fence.epoch, open: true },
    { $inc: { seq: count } },
    { session, returnDocument: "after", projection: { seq: 1 } },
  );
  return taken === null ? undefined : taken.seq - count + 1;
}

/**
 * Makes or renews this server's stripe. The transaction writes the root too: a mover that closes the
 * root at the same time conflicts with it, so a stripe never appears behind a closed root. Throws
 * `FenceRefused`. `withStripe` runs in the same transaction.
 */
export async function openStripe(
  database: TenantDatabase,
  fence: { readonly tenantId: TenantId; readonly stripe: string; readonly epoch: number },
  withStripe: (session: ClientSession) => Promise<void>,
): Promise<void> {
  const fences = fencesOf(database.db);
  await runTransaction(database.client, async (session) => {
    const root = await fences.updateOne(
      { _id: fenceId(fence.tenantId, rootStripe), epoch: fence.epoch, open: true },
      { $inc: { seq: 1 } },
      { session },
    );
    if (root.matchedCount === 0) throw new FenceRefused(fence.tenantId, fence.epoch);
    await fences.updateOne(
      { _id: fenceId(fence.tenantId, fence.stripe), epoch: { $lte: fence.epoch } },
      { $set: { open: true, epoch: fence.epoch }, $setOnInsert: { tenant_id: fence.tenantId, seq: 0 } },
      { session, upsert: true },
    );
    await withStripe(session);
  });
}

/** A plain write on a document that a transaction holds waits or is refused by the server; it never overtakes. */
async function outwaitingWriters<Value>(endsAt: number, work: () => Promise<Value>): Promise<Value> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof MongoServerError && error.code === writeConflict)) throw error;
      if (performance.now() >= endsAt) throw serviceUnavailable("A write of the tenant does not end", closeForMs, error);
      await sleep(closePauseMs);
    }
  }
}

function fenceId(tenantId: TenantId, stripe: string): StoredFence["_id"] {
  return { tenant: tenantId, stripe };
}

function fencesOf(db: Db): Collection<StoredFence> {
  return db.collection<StoredFence>("fences");
}

function isDuplicate(error: unknown): boolean {
  return error instanceof MongoServerError && error.code === duplicateKey;
}
