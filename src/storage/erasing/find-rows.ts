import type { TenantId } from "../../kernel/ids.js";
import { translating } from "../driver-errors.js";
import type { TenantDatabase } from "../transaction.js";

export interface FoundRows { readonly collection: string; readonly count: number }

/** Stripes of a fence are bookkeeping of servers, and its root outlives the tenant on purpose. */
const fences = "fences";

/**
 * Counts the tenant's rows in every collection that the database has, declared or not, so that what
 * a later version stores is found too. By the tenant's field and by the key, each of which would
 * find a row that lacks the other.
 */
export async function findRows(database: TenantDatabase, tenantId: TenantId): Promise<readonly FoundRows[]> {
  return translating(async () => {
    const names = (await database.db.listCollections({}, { nameOnly: true }).toArray()).map(({ name }) => name).filter((name) => !name.startsWith("system."));
    const found = await Promise.all(names.map(async (name) => ({ collection: name, count: await countIn(database, name, tenantId) })));
    return found.filter(({ count }) => count > 0);
  });
}

async function countIn(database: TenantDatabase, name: string, tenantId: TenantId): Promise<number> {
  const collection = database.db.collection(name);
  const majority = { readConcern: { level: "majority" } } as const;
  if (name === fences) return collection.countDocuments({ tenant_id: tenantId, "_id.stripe": { $ne: "root" } }, majority);
  // `0` is the character after the `/` that ends the tenant in a key.
  const byKey = { _id: { $gte: `${tenantId}/`, $lt: `${tenantId}0` } } as Record<string, unknown>;
  const [ofTenant, keyedAlone] = await Promise.all([
    collection.countDocuments({ tenant_id: tenantId }, majority),
    collection.countDocuments({ ...byKey, tenant_id: { $ne: tenantId } }, majority),
  ]);
  return ofTenant + keyedAlone;
}
