import { defineConfig } from "vitest/config";
import { longSuites } from "./long-suites.js";

export default defineConfig({
  // type-graphql and the code under test must load one and the same copy of graphql-js.
  resolve: { alias: [{ find: /^graphql$/, replacement: "graphql/index.js" }] },
  test: {
    root: new URL("..", import.meta.url).pathname,
    include: ["test/**/*.test.ts"],
    exclude: ["test/proof/**", "test/browser/**", "node_modules/**", ...longSuites],
    pool: "forks",
    maxWorkers: 2,
    // A worker loads the code once for all its suites: half a suite's time went into importing it anew. No suite replaces modules.
    isolate: false,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
