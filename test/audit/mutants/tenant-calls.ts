/**
 * Which driver calls carry no tenant, each with its reason, and what has to catch the mutants of the
 * others beside the audit. An entry that names no call fails, as does a call that is in neither list.
 */

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

/** Suites beside the audit: what no probe can see, since no caller reads it. First match of the name's beginning. */
export const suitesOf: readonly (readonly [string, readonly string[]])[] = [
  ["scoped-", ["test/storage/isolation.test.ts", "test/storage/tenant-store.test.ts"]],
  ["totals.ts", ["test/isolation/tenant-in-every-command.test.ts", "test/storage/totals.test.ts", "test/storage/isolation.test.ts"]],
  ["fence.ts", ["test/isolation/tenant-in-every-command.test.ts", "test/storage/fence.test.ts", "test/storage/write-lane.test.ts", "test/provisioning/contract.test.ts"]],
  ["erasing/", ["test/isolation/tenant-in-every-command.test.ts", "test/erasing/erasure.test.ts"]],
  ["moving/", ["test/isolation/tenant-in-every-command.test.ts", "test/provisioning/contract.test.ts", "test/provisioning/placement-move.test.ts", "test/provisioning/fault-matrix.test.ts"]],
  ["sealing/", ["test/isolation/tenant-in-every-command.test.ts", "test/storage/sealing"]],
  ["control/usage", ["test/usage", "test/isolation/ledger.test.ts"]],
  ["control/hour-claims", ["test/usage", "test/isolation/ledger.test.ts"]],
  ["control/ledger-writer", ["test/usage", "test/isolation/ledger.test.ts"]],
  ["control/spending", ["test/quotas/mongo-spending-store.test.ts", "test/quotas/tenant-budgets.test.ts"]],
  ["control/key-vault", ["test/storage/sealing", "test/isolation/ledger.test.ts"]],
  ["control/", ["test/erasing/erasure.test.ts", "test/provisioning/placement-move.test.ts"]],
];
