/** Which driver calls carry no tenant, each with its reason. An entry that names no call fails, as does a call that has neither a tenant nor a reason. */

/** By name, or by the file where it is all of it. */
export const withoutTenant: Readonly<Record<string, string>> = {
  "check-deployment.ts": "asks a deployment what it can do, before there is a tenant",
  "control/isolation-report-store.ts": "reports are the platform's own",
  "control/marker-store.ts": "markers are the deployment's own",
  "control/lease.ts": "leases are the servers' own",
  "control/pool-share-store.ts": "shares of a provider are the servers' own",
  "control/timing-store.ts": "an operator's figures, over all tenants at a time",
  "control/usage-by-hour.ts": "an operator's heatmap, over all tenants at a time",
  "silos/silo-census.ts": "an operator's count of silos, over all tenants",
  "control/directory-store.ts page": "an operator's list of tenants",
  "control/erasure-store.ts lease": "the next erasure, whichever tenant's it is",
  "control/move-store.ts find": "a move by its own id, for operators and the mover",
  "control/move-store.ts lease": "the next move, whichever tenant's it is",
  "control/move-store.ts recordUnless": "a move by its own id and its lease",
  "control/move-store.ts request": "a move by its own id",
  "control/move-store.ts #change": "a move by its own id and its lease",
  "control/move-store.ts release": "a move by its own id and its lease",
  "control/key-vault.ts rewrapAll": "all keys, when the master key is replaced",
  "control/key-vault.ts #rewrap": "a key by the row that was just read",
  "control/usage-corrections.ts tenants": "an operator prices everybody's calls anew",
  "control/usage-rollups.ts project": "the next hour to be summed, whichever tenant's it is",
  "control/usage-rollups.ts markStale": "compares all tenants' hours with their sums, one after the other",
};
