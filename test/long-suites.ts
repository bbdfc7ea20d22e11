/**
 * Suites that start many processes or play a matrix of faults: minutes in all, so `npm run proof` runs
 * them, and CI with it. `npm test` keeps a shorter suite of the same guarantees.
 */
export const longSuites = [
  "test/acceptance/adapters.test.ts",
  "test/acceptance/failures.test.ts",
  "test/acceptance/field-faults-spending.test.ts",
  "test/acceptance/life-cycle.test.ts",
  "test/acceptance/model-pool.test.ts",
  "test/acceptance/silo-cluster.test.ts",
  "test/erasing/erased-adapters.test.ts",
  "test/isolation/guards-off.test.ts",
  "test/orchestrator/adapters/adapter-faults.test.ts",
  "test/provisioning/contract.test.ts",
  "test/provisioning/fault-matrix.test.ts",
  "test/provisioning/undone-move.test.ts",
  "test/scripts/rerate.test.ts",
  "test/scripts/tenant.test.ts",
  "test/storage/sealing/rotate-silo-key.test.ts",
];
