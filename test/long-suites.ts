/**
 * Suites that start many processes or play a matrix of faults: minutes in all, so `npm run proof` runs
 * them, and CI with it. `npm test` keeps a shorter suite of the same guarantees.
 */
export const longSuites = [
  "test/acceptance/adapters.test.ts",
  "test/acceptance/attribution.test.ts",
  "test/acceptance/failures.test.ts",
  "test/acceptance/field-faults-spending.test.ts",
  "test/acceptance/life-cycle.test.ts",
  "test/acceptance/model-pool.test.ts",
  "test/acceptance/silo-cluster.test.ts",
  "test/audit/audited-server.test.ts",
  "test/erasing/erased-adapters.test.ts",
  "test/inference/endpoint-pool.test.ts",
  "test/isolation/guards-off.test.ts",
  "test/metering/fair-queue-rates.test.ts",
  "test/metering/fair-queue-servers.test.ts",
  "test/observability/otlp-tracing.test.ts",
  "test/orchestrator/adapters/adapter-faults.test.ts",
  "test/orchestrator/adapters/adapter-training.test.ts",
  "test/orchestrator/adapters/billed-trainings.test.ts",
  "test/provisioning/contract.test.ts",
  "test/provisioning/fault-matrix.test.ts",
  "test/provisioning/interleavings.test.ts",
  "test/provisioning/move-requests.test.ts",
  "test/provisioning/move-turns.test.ts",
  "test/provisioning/undone-move.test.ts",
  "test/scripts/rerate.test.ts",
  "test/scripts/tenant.test.ts",
  "test/storage/sealing/rotate-silo-key.test.ts",
  "test/storage/silos/atlas-users.test.ts",
  "test/storage/silos/second-cluster.test.ts",
];
