import { parseTenantId, type TenantId } from "../kernel/ids.js";
import { othersName } from "../storage/control/timing-rows.js";
import { isErased, type TenantRecord } from "../tenancy/tenant-record.js";

export interface TenantLookUp {
  find(id: TenantId): Promise<TenantRecord | undefined>;
}

/** Those of the ids that an operator is shown: tenants that are there and not erased. */
export async function shownTenants(tenants: TenantLookUp, ids: Iterable<string>): Promise<ReadonlyMap<string, TenantRecord>> {
  const wanted = [...new Set(ids)].filter((id) => id !== othersName);
  const found = await Promise.all(wanted.map((id) => tenants.find(parseTenantId(id))));
  return new Map(found.flatMap((record) => (record === undefined || isErased(record) ? [] : [[record.id, record] as const])));
}
