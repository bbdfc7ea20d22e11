/**
 * What a mover does to a tenant's rows, and the guard that makes it safe. A mover's server can be
 * paused for minutes and wake when another server has finished the move, or undone it. So each of
 * its batches is a transaction that first takes the closed fence of the database it writes to, by
 * the token of its own lease: once the fence was opened, or claimed by a later mover, the batch of
 * the earlier one fails there and writes nothing.
 */
import { MongoServerError, type ClientSession, type Collection, type Db } from "mongodb";
import { conflict } from "../../kernel/errors.js";
import type { TenantId } from "../../kernel/ids.js";
import { duplicateKey } from "../control/duplicate-key.js";
import { outwaitingWriters, unopenedEpoch, type StoredFence } from "../fence.js";
import { runTransaction, type TenantDatabase } from "../transaction.js";

/**
 * Makes `token` the one mover of the tenant in this database. The fence must be closed, or absent
 * (then it is created closed). Throws `CONFLICT` when writers have it open: a database that is a
 * tenant's home is not touched.
 */
export async function claim(database: TenantDatabase, tenantId: TenantId, token: string): Promise<void> {
  const fences = rootFences(database.db);
  try {
    // A mover that sleeps in the middle of a batch holds the root; the database ends its transaction.
    await outwaitingWriters(() =>
      fences.updateOne(
        { _id: rootId(tenantId), open: false },
        { $set: { mover: token }, $setOnInsert: { tenant_id: tenantId, epoch: unopenedEpoch, seq: 0 } },
        { upsert: true, writeConcern: { w: "majority" } },
      ),
    );
  } catch (error) {
    // The upsert found no closed fence and could not insert one: there is an open one.
    if (error instanceof MongoServerError && error.code === duplicateKey) throw conflict("The database is the tenant's home and cannot be written by a mover");
    throw error;
  }
}

/** Whether `token` is still the one mover. */
export async function isClaimed(database: TenantDatabase, tenantId: TenantId, token: string): Promise<boolean> {
  return (await rootFences(database.db).findOne({ _id: rootId(tenantId), open: false, mover: token })) !== null;
}

/** Runs one batch as the mover. Throws `CONFLICT` when the fence is open or claimed by another. */
export async function asMover(database: TenantDatabase, tenantId: TenantId, token: string, work: (session: ClientSession) => Promise<void>): Promise<void> {
  await runTransaction(database.client, async (session) => {
    const taken = await rootFences(database.db).updateOne({ _id: rootId(tenantId), open: false, mover: token }, { $inc: { seq: 1 } }, { session });
    if (taken.matchedCount === 0) throw conflict("The placement move is driven by another server now");
    await work(session);
  });
}

function rootId(tenantId: TenantId): StoredFence["_id"] {
  return { tenant: tenantId, stripe: "root" };
}

function rootFences(db: Db): Collection<StoredFence> {
  return db.collection<StoredFence>("fences");
}
