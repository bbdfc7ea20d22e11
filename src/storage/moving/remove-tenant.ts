import type { TenantId } from "../../kernel/ids.js";
import type { TenantDatabase } from "../transaction.js";
import { asMover } from "./mover-guard.js";
import { movingCollections, stayingCollections } from "./moving-collections.js";

/** Rows of one transaction: see `copyTenant`. */
const batchRowsMax = 500;

/**
 * Removes every row of the tenant from a database that is not, or no longer, its home. The root
 * fence stays, closed: a writer of an old epoch that wakes up later must find it and fail.
 */
export async function removeTenant(database: TenantDatabase, tenantId: TenantId, token: string): Promise<void> {
  for (const name of movingCollections) await removeRows(database, name, tenantId, token);
  for (const name of Object.keys(stayingCollections)) {
    if (name === "fences") continue;
    await removeRows(database, name, tenantId, token);
  }
  await asMover(database, tenantId, token, async (session) => {
    await database.db.collection("fences").deleteMany({ tenant_id: tenantId, "_id.stripe": { $ne: "root" } }, { session });
  });
}

async function removeRows(database: TenantDatabase, name: string, tenantId: TenantId, token: string): Promise<void> {
  const collection = database.db.collection(name);
  for (;;) {
    const rows = await collection.find({ tenant_id: tenantId }, { projection: { _id: 1 } }).limit(batchRowsMax).toArray();
    if (rows.length === 0) return;
    await asMover(database, tenantId, token, async (session) => {
      await collection.deleteMany({ tenant_id: tenantId, _id: { $in: rows.map((row) => row._id) } }, { session });
    });
  }
}
