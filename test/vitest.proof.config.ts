import { defineConfig } from "vitest/config";
import { longSuites } from "./long-suites.js";
import base from "./vitest.config.js";

export default defineConfig({
  ...base,
  test: { ...base.test, include: ["test/proof/**/*.test.ts", "test/erasing/erasure.test.ts", "test/provisioning/placement-move.test.ts", "test/provisioning/live-move.test.ts", ...longSuites], env: { PROOF_MOVE_DEATHS: "all", PROOF_ERASURES: "all" }, exclude: ["node_modules/**"], maxWorkers: 1, isolate: true, testTimeout: 300_000 },
});
