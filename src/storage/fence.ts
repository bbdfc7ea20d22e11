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
import type { Watermarks } from "./control/control-plane.js";
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
const maxTimeExpired = 50;
/** Epoch of a fence that no writer has ever had: real epochs start at 1. */
export const unopenedEpoch = 0;

/**
 * A writer that has taken its stripe holds it until its transaction ends, which MongoDB forces after
 * 60 s: a closer must outwait that.
 */
const closeForMs = 75_000;
const closePauseMs = 5;

/**
 * Lets writers of `epoch` in. For a new tenant, for the target of a move and for a source whose move
 * was cancelled. Repeating it changes nothing. Throws `CONFLICT` when the database is open in
 * another epoch, or has seen a later one, or when `mover` is given and has not claimed it any more.
 */
export async function openFence(database: TenantDatabase, tenantId: TenantId, epoch: number, mover?: string): Promise<void> {
  const fences = fencesOf(database.db);
  if (mover !== undefined && (await openClaimed(fences, tenantId, epoch, mover))) return;
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

/** In one statement, since writers wait for it. False when it was open already, or is not the mover's to open. */
async function openClaimed(fences: Collection<StoredFence>, tenantId: TenantId, epoch: number, mover: string): Promise<boolean> {
  const opened = await translating(() =>
    fences.updateOne({ _id: fenceId(tenantId, rootStripe), open: false, epoch: { $lte: epoch }, mover }, { $set: { open: true, epoch }, $unset: { mover: "" } }, majority),
  );
  return opened.matchedCount === 1;
}

/** Whether writers of exactly this epoch are let in. */
export async function isFenceOpen(database: TenantDatabase, tenantId: TenantId, epoch: number): Promise<boolean> {
  const root = await translating(() => fencesOf(database.db).findOne({ _id: fenceId(tenantId, rootStripe), epoch, open: true }, { readConcern: { level: "majority" } }));
  return root !== null;
}

/**
 * No stripe can be made from here on; servers that have one go on writing. With `mover` it also makes
 * that token the one mover of this database. Repeating it changes nothing. Throws `CONFLICT` when the
 * root is in a later epoch.
 */
export async function closeRoot(database: TenantDatabase, tenantId: TenantId, epoch: number, mover?: string): Promise<void> {
  const fences = fencesOf(database.db);
  await translating(async () => {
    const root = await outwaitingWriters(() =>
      fences.findOneAndUpdate(
        { _id: fenceId(tenantId, rootStripe), epoch: { $lte: epoch } },
        { $set: { open: false, ...(mover === undefined ? {} : { mover }) } },
        majority,
      ),
    );
    if (root === null && (await fences.findOne({ _id: fenceId(tenantId, rootStripe) })) !== null) {
      throw conflict(`The fence of ${tenantId} is in a later epoch than ${epoch}`);
    }
  });
}

/**
 * Closes every stripe behind a closed root. True when it returns: no writer can commit any more, and
 * what was committed is visible to a majority read. False when a writer did not end `within` ms; then
 * some stripes are closed and some are not.
 */
export async function closeStripes(database: TenantDatabase, tenantId: TenantId, within: number): Promise<boolean> {
  const fences = fencesOf(database.db);
  const endsAt = performance.now() + within;
  const open = { tenant_id: tenantId, open: true, "_id.stripe": { $ne: rootStripe } };
  return translating(async () => {
    for (;;) {
      try {
        await fences.updateMany(open, { $set: { open: false } }, { ...majority, maxTimeMS: Math.max(1, Math.ceil(endsAt - performance.now())) });
        return true;
      } catch (error) {
        if (!isHeldByWriter(error)) throw error;
      }
      if (performance.now() >= endsAt) return false;
      await sleep(closePauseMs);
    }
  });
}

/**
 * Returns when no writer of `epoch` or an earlier one can commit any more; what such a writer
 * committed before is visible to a majority read then. Repeating it changes nothing. Throws
 * `CONFLICT` when the root is in a later epoch, `SERVICE_UNAVAILABLE` when a writer does not end.
 */
export async function closeFence(database: TenantDatabase, tenantId: TenantId, epoch: number, mover?: string): Promise<void> {
  // The root first: a stripe made after the others were closed would stay open.
  await closeRoot(database, tenantId, epoch, mover);
  if (!(await closeStripes(database, tenantId, closeForMs))) throw serviceUnavailable("A write of the tenant does not end", closeForMs);
}

/**
 * Lets the writers of the same epoch go on after a pause that a mover gave up. Only for the mover that
 * closed the root: one that slept meanwhile must not open what another has closed since. Throws `CONFLICT`.
 */
export async function reopenFence(database: TenantDatabase, tenantId: TenantId, epoch: number, mover: string): Promise<void> {
  const opened = await translating(() =>
    fencesOf(database.db).updateOne({ _id: fenceId(tenantId, rootStripe), epoch, open: false, mover }, { $set: { open: true }, $unset: { mover: "" } }, majority),
  );
  if (opened.matchedCount === 0) throw conflict("The placement move is driven by another server now");
}

/** How far each stripe has come, the root's own numbers included. Whatever bears these numbers or lower ones is visible to a majority read after this. */
export async function readWatermarks(database: TenantDatabase, tenantId: TenantId): Promise<Watermarks> {
  const stripes = await translating(() => fencesOf(database.db).find({ tenant_id: tenantId }, { projection: { seq: 1 }, readConcern: { level: "majority" } }).toArray());
  return stripes.map(({ _id, seq }) => ({ stripe: _id.stripe, seq: Number(seq) }));
}

/**
 * Lets numbering go on where it ended elsewhere: rows keep the stripe and number they were written
 * with, so a stripe that began anew here would give numbers that a follower has passed already. For
 * stripes that are closed; `session` is a mover's batch.
 */
export async function carryWatermarks(database: TenantDatabase, tenantId: TenantId, marks: Watermarks, session: ClientSession): Promise<void> {
  if (marks.length === 0) return;
  await fencesOf(database.db).bulkWrite(
    marks.map(({ stripe, seq }) => ({
      updateOne: {
        filter: { _id: fenceId(tenantId, stripe) },
        update: { $max: { seq }, $setOnInsert: { tenant_id: tenantId, epoch: unopenedEpoch, open: false } },
        upsert: true,
      },
    })),
    { session, ordered: true },
  );
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
 * `FenceRefused`. `withStripe` runs in the same transaction and stamps what it writes with the root's number.
 */
export async function openStripe(
  database: TenantDatabase,
  fence: { readonly tenantId: TenantId; readonly stripe: string; readonly epoch: number },
  withStripe: (session: ClientSession, stamp: { readonly stripe: string; readonly seq: number }) => Promise<void>,
): Promise<void> {
  const fences = fencesOf(database.db);
  await runTransaction(database.client, async (session) => {
    const root = await fences.findOneAndUpdate(
      { _id: fenceId(fence.tenantId, rootStripe), epoch: fence.epoch, open: true },
      { $inc: { seq: 1 } },
      { session, returnDocument: "after", projection: { seq: 1 } },
    );
    if (root === null) throw new FenceRefused(fence.tenantId, fence.epoch);
    await fences.updateOne(
      { _id: fenceId(fence.tenantId, fence.stripe), epoch: { $lte: fence.epoch } },
      { $set: { open: true, epoch: fence.epoch }, $setOnInsert: { tenant_id: fence.tenantId, seq: 0 } },
      { session, upsert: true },
    );
    await withStripe(session, { stripe: rootStripe, seq: root.seq });
  });
}

/**
 * A plain write on a document that a transaction holds waits or is refused by the server; it never
 * overtakes. Tried until the longest transaction has ended. Throws `SERVICE_UNAVAILABLE`.
 */
export async function outwaitingWriters<Value>(work: () => Promise<Value>): Promise<Value> {
  const endsAt = performance.now() + closeForMs;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isHeldByWriter(error)) throw error;
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

/** A plain write that meets a transaction's document is answered with a conflict, or runs into its own time limit while it waits. */
function isHeldByWriter(error: unknown): boolean {
  return error instanceof MongoServerError && (error.code === writeConflict || error.code === maxTimeExpired);
}

function isDuplicate(error: unknown): boolean {
  return error instanceof MongoServerError && error.code === duplicateKey;
}
