import { internal } from "../kernel/errors.js";
import type { TenantId } from "../kernel/ids.js";
import type { Telemetry } from "../kernel/telemetry.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import { idOfKey, tenantFilter, tenantKey, type Scope } from "./scope.js";

/** Atlas asks for 20 candidates a result for good recall, and takes at most 10,000. */
const candidatesPerResult = 20;
const candidatesMin = 200;
const candidatesMax = 10_000;

/**
 * A tenant in a database of its own. Rows carry the tenant here too: they move unchanged, and the
 * second wall holds. A context of any other tenant is a routing fault: refused and alarmed.
 */
export function siloScope(context: TenantContext, owner: TenantId, telemetry: Telemetry): Scope {
  const { tenantId } = context;
  if (tenantId !== owner) {
    telemetry.alarm("tenant_mismatch", { wall: "silo", expected: owner, got: tenantId });
    throw internal("A silo was asked for a tenant that does not own it");
  }
  return Object.freeze<Scope>({
    tenantId,
    home: "SILO",
    vectorEffort: (limit) => ({ numCandidates: Math.min(candidatesMax, Math.max(candidatesMin, limit * candidatesPerResult)) }),
    filter: (narrowing) => tenantFilter(tenantId, narrowing),
    key: (id) => tenantKey(tenantId, id),
    id: (key) => idOfKey(tenantId, key),
  });
}
