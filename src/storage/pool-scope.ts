import type { TenantContext } from "../tenancy/tenant-context.js";
import { idOfKey, tenantFilter, tenantKey, type Scope } from "./scope.js";

/** One tenant's part of the database that many tenants share. */
export function poolScope(context: TenantContext): Scope {
  const { tenantId } = context;
  return Object.freeze<Scope>({
    tenantId,
    home: "POOL",
    // The pool's index is flat: after the pre-filter it compares every vector of the tenant, so recall is whole.
    vectorEffort: () => ({ exact: true }),
    filter: (narrowing) => tenantFilter(tenantId, narrowing),
    key: (id) => tenantKey(tenantId, id),
    id: (key) => idOfKey(tenantId, key),
  });
}
