/**
 * What a mover does to a tenant's rows, and the guard that makes it safe. A mover's server can be
 * paused for minutes and wake when another server has finished the move, or undone it. So each of
 * its batches is a transaction that first takes the closed fence of the database it writes to, by
 * the token of its own lease: once the fence was opened, or claimed by a later mover, the batch of
 * the earlier one fails there and writes nothing.
 */
import type { ClientSession, Collection, Db, MongoClient } from "mongodb";
import { MongoServerError } from "mongodb";
import { conflict } from "../../kernel/errors.js";
import type { TenantId } from "../../kernel/ids.js";
import { duplicateKey } from "../control/duplicate-key.js";

export interface MovableDatabase {
  readonly client: MongoClient;
  readonly db: Db;
}

interface RootFence {
  _id: { tenant: string; stripe: "root" };
  tenant_id: string;
  epoch: number;
  open: boolean;
  seq: number;
  mover?: string;
}

/** Epoch of a fence that no writer has ever had: real epochs start at 1. */
const unopenedEpoch = 0;

/**
 * Makes `token` the one mover of the tenant in this database. The fence must be closed, or absent
 * (then it is created closed). Throws `CONFLICT` when writers have it open: a database that is a
 * tenant's home is not touched.
 */
export async function claim(database: MovableDatabase, tenantId: TenantId, token: string): Promise<void> {
  const fences = rootFences(database.db);
  try {
    await fences.updateOne(
      { _id: rootId(tenantId), open: false },
      { $set: { mover: token }, $setOnInsert: { tenant_id: tenantId, epoch: unopenedEpoch, seq: 0 } },
      { upsert: true, writeConcern: { w: "majority" } },
    );
  } catch (error) {
    // The upsert found no closed fence and could not insert one: there is an open one.
    if (error instanceof MongoServerError && error.code === duplicateKey) throw conflict("The database is the tenant's home and cannot be written by a mover");
    throw error;
  }
}

/** Runs one batch as the mover. Throws `CONFLICT` when the fence is open or claimed by another. */
export async function asMover(database: MovableDatabase, tenantId: TenantId, token: string, work: (session: ClientSession) => Promise<void>): Promise<void> {
  await database.client.withSession((session) =>
    session.withTransaction(
      async () => {
        const taken = await rootFences(database.db).findOneAndUpdate({ _id: rootId(tenantId), open: false, mover: token }, { $inc: { seq: 1 } }, { session });
        if (taken === null) throw conflict("The placement move is driven by another server now");
        await work(session);
      },
      { writeConcern: { w: "majority" } },
    ),
  );
}

function rootId(tenantId: TenantId): RootFence["_id"] {
  return { tenant: tenantId, stripe: "root" };
}

function rootFences(db: Db): Collection<RootFence> {
  return db.collection<RootFence>("fences");
}
