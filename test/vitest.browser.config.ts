import { defineConfig } from "vitest/config";
import base from "./vitest.config.js";

export default defineConfig({
  ...base,
  test: { ...base.test, include: ["test/browser/**/*.test.ts"], exclude: ["node_modules/**"], maxWorkers: 1, testTimeout: 300_000 },
});
