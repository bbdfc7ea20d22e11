import type { TenantId } from "../../kernel/ids.js";
import { translating } from "../driver-errors.js";
import { closeFence, type StoredFence } from "../fence.js";
import { asMover, claim } from "../moving/mover-guard.js";
import type { TenantDatabase } from "../transaction.js";

/** Later than any epoch a tenant can have: a fence is never opened in an earlier one than its own. */
const erasedEpoch = Number.MAX_SAFE_INTEGER;

/**
 * When it returns no writer of any epoch can commit in this database any more, and none ever will: a
 * server that was paused before the erasure and wakes later, writer or mover, finds the fence closed
 * in an epoch it cannot reach. `token` is the one that may remove rows then. Repeating it, with
 * another token after a crash, changes nothing else. Throws `SERVICE_UNAVAILABLE`.
 */
export async function closeForGood(database: TenantDatabase, tenantId: TenantId, token: string): Promise<void> {
  await closeFence(database, tenantId, erasedEpoch, token);
  await translating(async () => {
    // A database the tenant was never in gets a closed fence too, lest a late mover brings it there.
    await claim(database, tenantId, token);
    await asMover(database, tenantId, token, async (session) => {
      await database.db.collection<StoredFence>("fences").updateOne({ _id: { tenant: tenantId, stripe: "root" } }, { $set: { epoch: erasedEpoch } }, { session });
    });
  });
}
