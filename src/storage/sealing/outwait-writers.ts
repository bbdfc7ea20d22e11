import type { TenantId } from "../../kernel/ids.js";
import { translating } from "../driver-errors.js";
import { outwaitingWriters, type StoredFence } from "../fence.js";
import type { TenantDatabase } from "../transaction.js";

/**
 * Returns when every write transaction of the tenant that had begun before has ended. Each of them
 * holds the document of its stripe, and this writes to all of them: the database lets it through
 * only behind them. The numbers it takes are skipped; whoever follows the tenant by them does not mind.
 */
export async function outwaitWriters(database: TenantDatabase, tenantId: TenantId): Promise<void> {
  const fences = database.db.collection<StoredFence>("fences");
  await translating(async () => {
    const stripes = await fences.find({ tenant_id: tenantId, "_id.stripe": { $ne: "root" } }, { projection: { _id: 1 } }).toArray();
    for (const { _id } of stripes) await outwaitingWriters(() => fences.updateOne({ _id }, { $inc: { seq: 1 } }, { writeConcern: { w: "majority" } }));
  });
}
