import { defineConfig } from "vitest/config";
import base from "../../vitest.config.js";

/** Every suite, long or short, each with modules of its own: a mutant must not outlive its run. */
export default defineConfig({ ...base, test: { ...base.test, exclude: ["test/proof/**", "test/browser/**", "node_modules/**"], env: { PROOF_MOVE_DEATHS: "all", PROOF_ERASURES: "all" }, maxWorkers: 1, isolate: true, testTimeout: 120_000 } });
