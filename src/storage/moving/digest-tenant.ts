import { createHash } from "node:crypto";
import type { TenantId } from "../../kernel/ids.js";
import type { TenantDatabase } from "../transaction.js";
import { movingCollections, type MovingCollection } from "./moving-collections.js";

export type TenantDigest = Readonly<Record<MovingCollection, { readonly rows: number; readonly sha256: string }>>;

/** Counts and hashes the stored bytes of every row, in the order of `_id`. Equal digests mean equal tenants. */
export async function digestTenant(database: TenantDatabase, tenantId: TenantId): Promise<TenantDigest> {
  const digests = await Promise.all(movingCollections.map(async (name) => [name, await digestCollection(database, name, tenantId)] as const));
  return Object.fromEntries(digests) as TenantDigest;
}

/** Names of the collections in which the two differ. */
export function differences(a: TenantDigest, b: TenantDigest): readonly string[] {
  return movingCollections.filter((name) => a[name].rows !== b[name].rows || a[name].sha256 !== b[name].sha256);
}

async function digestCollection(database: TenantDatabase, name: MovingCollection, tenantId: TenantId): Promise<{ rows: number; sha256: string }> {
  const hash = createHash("sha256");
  let rows = 0;
  // Raw bytes: a decoded value could hide a difference of type or of field order.
  const cursor = database.db.collection(name).find({ tenant_id: tenantId }, { raw: true, readConcern: { level: "majority" } }).sort({ _id: 1 });
  for await (const row of cursor) {
    hash.update(row as unknown as Uint8Array);
    rows += 1;
  }
  return { rows, sha256: hash.digest("hex") };
}
