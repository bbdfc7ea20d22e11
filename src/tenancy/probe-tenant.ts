import type { TenantId } from "../kernel/ids.js";

/**
 * Tenants that the isolation audit makes for itself. The prefix is the mark: it is refused to
 * customers, to tokens and to an erasure, so no row of the directory can lose or fake it.
 */
const probePrefix = "audit-probe-";

export type ProbeName = "audit-probe-a" | "audit-probe-b" | "audit-probe-silo";

/** Two in the pool, where rows of tenants lie side by side, and one in a silo. */
export const probeTenants: readonly { readonly id: ProbeName; readonly placement: "POOL" | "SILO" }[] = [
  { id: "audit-probe-a", placement: "POOL" },
  { id: "audit-probe-b", placement: "POOL" },
  { id: "audit-probe-silo", placement: "SILO" },
];

export function isProbeTenant(id: TenantId | string): boolean {
  return id.startsWith(probePrefix);
}
