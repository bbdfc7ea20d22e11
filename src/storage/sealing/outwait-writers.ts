import { MongoServerError } from "mongodb";
import { setTimeout as sleep } from "node:timers/promises";
import { serviceUnavailable } from "../../kernel/errors.js";
import type { TenantId } from "../../kernel/ids.js";
import { translating } from "../driver-errors.js";
import type { StoredFence } from "../fence.js";
import type { TenantDatabase } from "../transaction.js";

const writeConflict = 112;
/** A transaction holds its stripe until it ends, which the server forces after 60 s. */
const outwaitMs = 75_000;
const pauseMs = 20;

/**
 * Returns when every write transaction of the tenant that had begun before has ended. Each of them
 * holds the document of its stripe, and this writes to all of them: the database lets it through
 * only behind them. The numbers it takes are skipped; whoever follows the tenant by them does not mind.
 */
export async function outwaitWriters(database: TenantDatabase, tenantId: TenantId): Promise<void> {
  const fences = database.db.collection<StoredFence>("fences");
  const endsAt = performance.now() + outwaitMs;
  await translating(async () => {
    const stripes = await fences.find({ tenant_id: tenantId, "_id.stripe": { $ne: "root" } }, { projection: { _id: 1 } }).toArray();
    for (const { _id } of stripes) {
      for (;;) {
        try {
          await fences.updateOne({ _id }, { $inc: { seq: 1 } }, { writeConcern: { w: "majority" } });
          break;
        } catch (error) {
          if (!(error instanceof MongoServerError && error.code === writeConflict)) throw error;
          if (performance.now() >= endsAt) throw serviceUnavailable("A write of the tenant does not end", outwaitMs, error);
          await sleep(pauseMs);
        }
      }
    }
  });
}
