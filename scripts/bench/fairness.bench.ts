/**
 * The fair queue: where a tenant with one job stands behind another's thousand, beside p-queue and
 * bottleneck; what a decision costs with 10,000 tenants in the line; and a tenant's p99 under a
 * flooder, through the whole server. Rounds alternate; medians.
 */
import { fork, type ChildProcess } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { median, type Bench } from "./bench-result.js";
import { compileScript } from "./compile-script.js";
import type { CostAnswer, FairnessQuestion, PositionAnswer, QueueSystem } from "./fairness-messages.js";
import { measureFlood } from "./flooded-server.js";
import { ask, hear } from "./hear.js";

const systems = ["bulkhead", "p-queue", "bottleneck"] as const;
const slots = 8;
const tenants = 10_000;
/** Bottleneck takes half a millisecond a job where more wait. */
const peersJobs = 1_000;

export const bench: Bench = async (args, progress) => {
  const rounds = Number(args[0] ?? 5);
  const jobs = Number(args[1] ?? 100_000);
  const questions = Number(args[2] ?? 40);
  const built = compileScript("scripts/bench/fairness-worker.ts");
  const child = fork(join(built, "scripts/bench/fairness-worker.js"), { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const positions = new Map<QueueSystem, number>();
  const costs = new Map<QueueSystem, CostAnswer[]>(systems.map((system) => [system, []]));
  try {
    await hear(child, "fairness");
    for (const system of systems) positions.set(system, (await tell<PositionAnswer>(child, { do: "position", system, slots })).position);
    progress(`one job behind a thousand is served at ${[...positions].map(([system, at]) => `${at} by ${system}`).join(", ")}`);
    for (let round = 0; round <= rounds; round += 1) {
      for (const system of systems) {
        const cost = await tell<CostAnswer>(child, { do: "cost", system, tenants, jobs: system === "bulkhead" ? jobs : peersJobs });
        if (round > 0) costs.get(system)?.push(cost);
      }
      progress(`round ${round} of ${rounds}: ${systems.map((system) => `${system} ${costs.get(system)?.at(-1)?.wholeJob.toFixed(1) ?? "warm"}`).join(", ")} µs a job`);
    }
  } finally {
    child.kill();
    rmSync(built, { recursive: true, force: true });
  }
  const { solo, flooded } = await measureFlood(rounds, questions, progress);
  const wholeJob = (system: QueueSystem): number => median((costs.get(system) ?? []).map((cost) => cost.wholeJob));
  const decision = median((costs.get("bulkhead") ?? []).map((cost) => cost.decision ?? Number.NaN));
  return {
    results: [
      ...systems.map((system) => ({ system, metric: `position behind 1,000 jobs, ${slots} slots`, unit: "", value: positions.get(system) ?? Number.NaN })),
      ...systems.map((system) => ({ system, metric: "CPU of a whole job", unit: "µs", value: wholeJob(system) })),
      { system: "bulkhead", metric: "CPU of a decision", unit: "µs", value: decision },
      { system: "bulkhead", metric: "p99 alone", unit: "ms", value: median(solo) },
      { system: "bulkhead", metric: "p99 beside a flood", unit: "ms", value: median(flooded) },
    ],
    ratios: { "position past the slots": (positions.get("bulkhead") ?? Number.NaN) - slots, "decision µs": decision, "whole job µs": wholeJob("bulkhead"), "p99 under a flooder to p99 alone": median(flooded) / median(solo) },
    goals: {
      "position past the slots": { op: "<=", value: 2 },
      "decision µs": { op: "<=", value: 2 },
      "whole job µs": { op: "<=", value: 8 },
      "p99 under a flooder to p99 alone": { op: "<=", value: 1.2 },
    },
  };
};

function tell<Answer>(child: ChildProcess, question: FairnessQuestion): Promise<Answer> {
  return ask<Answer>(child, "fairness", question);
}
