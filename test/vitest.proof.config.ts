import { defineConfig } from "vitest/config";
import base from "./vitest.config.js";

export default defineConfig({
  ...base,
  test: { ...base.test, include: ["test/proof/**/*.test.ts", "test/provisioning/**/*.test.ts"], env: { PROOF_MOVE_DEATHS: "all" }, exclude: ["node_modules/**"], maxWorkers: 1, testTimeout: 300_000 },
});
