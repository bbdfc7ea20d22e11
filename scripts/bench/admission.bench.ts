/**
 * CPU of admitting a model call where one server runs: a request taken from the minute, its tokens
 * and money reserved, and both settled; beside rate-limiter-flexible, which counts the same requests
 * and tokens in one fixed window and knows no money. Rounds alternate; medians. Then how many rows
 * of the ledger share a commit when 32 requests end at a time.
 */
import { fork } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { AdmissionCost, AdmissionQuestion } from "./admission-messages.js";
import { median, type Bench } from "./bench-result.js";
import { compileScript } from "./compile-script.js";
import { ask, hear } from "./hear.js";
import { measureLedgerCommits } from "./ledger-commits.js";

const systems = ["bulkhead", "rate-limiter-flexible"] as const;
const ledgerRows = 3_200;
const steps = ["request", "reserve", "settle"] as const;

export const bench: Bench = async (args, progress) => {
  const rounds = Number(args[0] ?? 7);
  const calls = Number(args[1] ?? 100_000);
  const tenants = Number(args[2] ?? 100);
  const built = compileScript("scripts/bench/admission-worker.ts");
  const child = fork(join(built, "scripts/bench/admission-worker.js"), [String(tenants)], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  try {
    await hear(child, "admission");
    const costs = new Map<string, AdmissionCost[]>(systems.map((system) => [system, []]));
    for (let round = 0; round <= rounds; round += 1) {
      for (const system of systems) {
        const cost = await ask<AdmissionCost>(child, "admission", { system, calls } satisfies AdmissionQuestion);
        // The first warms up.
        if (round > 0) costs.get(system)?.push(cost);
        progress(`round ${round} of ${rounds}: ${system} ${steps.map((step) => `${step} ${cost[step].toFixed(2)} µs`).join(", ")}`);
      }
    }
    const value = (system: string, of: readonly (keyof AdmissionCost)[]): number => median((costs.get(system) ?? []).map((cost) => of.reduce((sum, step) => sum + cost[step], 0)));
    const results = systems.flatMap((system) => [
      ...steps.map((step) => ({ system, metric: `CPU of ${step}`, unit: "µs", value: value(system, [step]) })),
      { system, metric: "CPU of admission", unit: "µs", value: value(system, ["request", "reserve"]) },
      { system, metric: "CPU of all three", unit: "µs", value: value(system, steps) },
    ]);
    const ledger = await measureLedgerCommits(ledgerRows);
    progress(`${ledger.rows} rows of the ledger in ${ledger.commits} commits`);
    const admission = value("bulkhead", ["request", "reserve"]);
    return {
      results: [
        ...results,
        { system: "bulkhead", metric: "ledger rows a commit", unit: "", value: ledger.rows / ledger.commits },
        { system: "bulkhead", metric: "durable ledger rows", unit: "1/s", value: ledger.perSecond },
      ],
      ratios: { "admission µs": admission, "all three to rate-limiter-flexible": value("bulkhead", steps) / value("rate-limiter-flexible", steps) },
      goals: { "admission µs": { op: "<=", value: 3 } },
    };
  } finally {
    child.kill();
    rmSync(built, { recursive: true, force: true });
  }
};
