import { BSON, type Document } from "mongodb";
import type { TenantId } from "../../kernel/ids.js";
import type { TenantDatabase } from "../transaction.js";
import { asMover } from "./mover-guard.js";
import { movingCollections } from "./moving-collections.js";

/** Bounds of one transaction: far below MongoDB's 60 s even on a slow disk, large enough to amortise its commit. */
const batchRowsMax = 200;
const batchBytesMax = 4 * 1024 * 1024;

/** Rows the tenant has in a database, over all collections that move. */
export async function countTenant(database: TenantDatabase, tenantId: TenantId): Promise<number> {
  const counts = await Promise.all(movingCollections.map((name) => database.db.collection(name).countDocuments({ tenant_id: tenantId })));
  return counts.reduce((sum, count) => sum + count, 0);
}

/**
 * Copies every row of the tenant, byte for byte, into a database where it has none. The source's
 * fence must be closed. `onCopied` is told the number of rows after each batch and may throw to stop.
 */
export async function copyTenant(source: TenantDatabase, target: TenantDatabase, tenantId: TenantId, token: string, onCopied: (rows: number) => Promise<void>): Promise<void> {
  for (const name of movingCollections) {
    let batch: Document[] = [];
    let bytes = 0;
    const flush = async (): Promise<void> => {
      if (batch.length === 0) return;
      const rows = batch;
      [batch, bytes] = [[], 0];
      await asMover(target, tenantId, token, async (session) => {
        await target.db.collection(name).insertMany(rows, { session, ordered: true });
      });
      await onCopied(rows.length);
    };
    // Values are not promoted: an int64 or a double that JavaScript could not tell apart must arrive as it was.
    const rows = source.db.collection(name).find({ tenant_id: tenantId }, { promoteValues: false, readConcern: { level: "majority" }, batchSize: batchRowsMax });
    for await (const row of rows) {
      batch.push(row);
      bytes += BSON.calculateObjectSize(row);
      if (batch.length >= batchRowsMax || bytes >= batchBytesMax) await flush();
    }
    await flush();
  }
}
