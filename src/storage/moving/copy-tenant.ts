import { BSON, type Document } from "mongodb";
import type { TenantId } from "../../kernel/ids.js";
import type { TenantDatabase } from "../transaction.js";
import { asMover } from "./mover-guard.js";
import { movingCollections } from "./moving-collections.js";
import { clearRow, storedRow, type InTurn, type MovingHome } from "./moving-home.js";

/** Bounds of one transaction: far below MongoDB's 60 s, and short enough on the embedded engine that others on its thread do not feel it. */
const batchRowsMax = 100;
const batchBytesMax = 1024 * 1024;

/** A place in the order of a copy: collections as they are listed, rows by `_id`. */
export interface CopyPosition {
  readonly collection: string;
  readonly id: string;
}

/** Rows the tenant has in a database, over all collections that move. */
export async function countTenant(database: TenantDatabase, tenantId: TenantId): Promise<number> {
  const counts = await Promise.all(movingCollections.map((name) => database.db.collection(name).countDocuments({ tenant_id: tenantId })));
  return counts.reduce((sum, count) => sum + count, 0);
}

/**
 * Copies the tenant's rows behind `after`, or all of them, into a database where there are none yet.
 * Writers may go on: whatever they change meanwhile bears numbers above the watermarks that were read
 * before, and is followed from there. Each batch is written when `inTurn` lets it. `onCopied` is told
 * after it and may throw to stop.
 */
export async function copyTenant(
  source: MovingHome,
  target: MovingHome,
  tenantId: TenantId,
  token: string,
  after: CopyPosition | undefined,
  inTurn: InTurn,
  onCopied: (rows: number, position: CopyPosition) => Promise<void>,
): Promise<void> {
  const first = after === undefined ? 0 : movingCollections.findIndex((name) => name === after.collection);
  for (const name of movingCollections.slice(first)) {
    const behind = after?.collection === name ? { _id: { $gt: after.id } } : {};
    let batch: Document[] = [];
    let bytes = 0;
    // One batch is on its way to the target while the next is read and sealed: the two sides wait for different machines.
    let committing = Promise.resolve();
    const commit = async (rows: readonly Document[]): Promise<void> => {
      const insert = () =>
        asMover(target.database, tenantId, token, async (session) => {
          await target.database.db.collection(name).insertMany([...rows], { session, ordered: true });
        });
      await inTurn(insert);
      await onCopied(rows.length, { collection: name, id: String(rows.at(-1)?.["_id"]) });
    };
    const flush = async (): Promise<void> => {
      await committing;
      if (batch.length === 0) return;
      committing = commit(batch);
      // Heard at the next flush; until then it must not count as one that nobody hears.
      committing.catch(() => undefined);
      [batch, bytes] = [[], 0];
    };
    // Values are not promoted: an int64 or a double that JavaScript could not tell apart must arrive as it was.
    const rows = source.database.db
      .collection(name)
      .find({ tenant_id: tenantId, ...behind } as Document, { promoteValues: false, readConcern: { level: "majority" }, batchSize: batchRowsMax })
      .sort({ _id: 1 })
      .hint({ tenant_id: 1, _id: 1 });
    try {
      for await (const row of rows) {
        const stored = await storedRow(target, name, await clearRow(source, name, row));
        batch.push(stored);
        bytes += BSON.calculateObjectSize(stored);
        if (batch.length >= batchRowsMax || bytes >= batchBytesMax) await flush();
      }
      await flush();
    } finally {
      // Also after a failure: whoever tries again begins by removing what this one may still be writing.
      await committing;
    }
  }
}

/**
 * Makes the target hold nothing behind `position`: the batch after it may have been committed by a
 * run that died before it said so.
 */
export async function removeBehind(database: TenantDatabase, tenantId: TenantId, token: string, position: CopyPosition): Promise<void> {
  const first = movingCollections.findIndex((name) => name === position.collection);
  for (const name of movingCollections.slice(first)) {
    const behind = position.collection === name ? { _id: { $gt: position.id } } : {};
    await asMover(database, tenantId, token, async (session) => {
      await database.db.collection(name).deleteMany({ tenant_id: tenantId, ...behind } as Document, { session });
    });
  }
}
