/**
 * CPU of a metered `ask` without retrieval at 32 connections, everything on and its ledger row
 * durable before the answer, beside a bare Apollo resolver that calls the same model. The process
 * that is measured holds the embedded engine as well, as with `npm start`. The model streams to us;
 * bare Apollo is asked for both ways, and the goal is held against the cheaper one. Then, one question
 * at a time, what we add to the time to a stream's first word.
 */
import { fork, type ChildProcess } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { median, quantile, type Bench } from "./bench-result.js";
import { compileScript } from "./compile-script.js";
import { measureFirstToken } from "./first-token.js";
import { ask, hear } from "./hear.js";
import type { GatewaySystem } from "./gateway-messages.js";
import { postLoad, type Target } from "./post-load.js";

const systems = ["bulkhead", "apollo", "apollo streaming"] as const;
const connections = 32;
const warmUpRequests = 6_000;
const modelMs = 5;
const firstTokenQuestions = 200;
const body = JSON.stringify({ query: "mutation ($q: String!) { ask(input: { question: $q }) { __typename ... on Answer { text usage { promptTokens completionTokens } } ... on Refusal { code } } }", variables: { q: "How long is the notice period?" } });
const isAnswer = (text: string): boolean => text.includes('"Answer"') && text.includes("six weeks") && !text.includes('"errors"');

interface Running extends Target {
  readonly system: GatewaySystem;
  readonly child: ChildProcess;
  readonly dataDir?: string;
}

export const bench: Bench = async (args, progress) => {
  const rounds = Number(args[0] ?? 7);
  const requests = Number(args[1] ?? 2_000);
  const warmUp = Number(args[2] ?? warmUpRequests);
  const built = compileScript("scripts/bench/gateway-server.ts");
  const running: Running[] = [];
  try {
    const model = await start("model", built, String(modelMs), running);
    const servers: Running[] = [];
    for (const system of systems) servers.push(await start(system, built, model.url, running));
    const micros = new Map<GatewaySystem, number[]>(systems.map((system) => [system, []]));
    const perSecond = new Map<GatewaySystem, number[]>(systems.map((system) => [system, []]));
    const p50 = new Map<GatewaySystem, number[]>(systems.map((system) => [system, []]));
    for (let round = 0; round <= rounds; round += 1) {
      for (const server of servers) {
        const count = round === 0 ? warmUp : requests;
        const [before, startedAt] = [await cpuOf(server), performance.now()];
        const tookMs = await postLoad(server, body, connections, count, isAnswer);
        const seconds = (performance.now() - startedAt) / 1_000;
        const cpu = ((await cpuOf(server)) - before) / count;
        progress(`round ${round} of ${rounds}: ${server.system} ${cpu.toFixed(0)} µs, ${(count / seconds).toFixed(0)} a second`);
        if (round === 0) continue;
        micros.get(server.system)?.push(cpu);
        perSecond.get(server.system)?.push(count / seconds);
        p50.get(server.system)?.push(quantile(tookMs, 0.5));
      }
    }
    const ours = servers.find(({ system }) => system === "bulkhead") as Running;
    const firstToken = await measureFirstToken(model, ours, firstTokenQuestions);
    return {
      results: [...systems.flatMap((system) => [
        { system, metric: "CPU a request", unit: "µs", value: value(micros, system) },
        { system, metric: "requests a second", unit: "1/s", value: value(perSecond, system) },
        { system, metric: "p50", unit: "ms", value: value(p50, system) },
      ]),
      { system: "bulkhead", metric: "time to first token, alone, p50", unit: "ms", value: firstToken.throughUsMs },
      { system: "model", metric: "time to first token, alone, p50", unit: "ms", value: firstToken.directMs }],
      ratios: { "CPU to bare apollo": value(micros, "bulkhead") / value(micros, "apollo"), "CPU to bare apollo streaming": value(micros, "bulkhead") / value(micros, "apollo streaming"), "added time to first token, ms": firstToken.throughUsMs - firstToken.directMs },
      goals: { "CPU to bare apollo": { op: "<=", value: 1.8 }, "added time to first token, ms": { op: "<=", value: 3 } },
    };
  } finally {
    for (const { child, dataDir } of running) {
      child.kill();
      if (dataDir !== undefined) rmSync(dataDir, { recursive: true, force: true });
    }
    rmSync(built, { recursive: true, force: true });
  }
};

function value(of: ReadonlyMap<GatewaySystem, number[]>, system: GatewaySystem): number {
  return median(of.get(system) ?? []);
}

async function start(system: GatewaySystem, built: string, argument: string, running: Running[]): Promise<Running> {
  const execArgv = system === "bulkhead" && process.env["BENCH_CPU_PROFILE"] !== undefined ? ["--cpu-prof", "--cpu-prof-dir", process.env["BENCH_CPU_PROFILE"]] : [];
  const child = fork(join(built, "scripts/bench/gateway-server.js"), [system, argument], { execArgv, env: { ...process.env, NODE_ENV: "development" }, stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const told = await hear<Target & { dataDir?: string }>(child, system);
  const started = { system, child, ...told };
  running.push(started);
  return started;
}

async function cpuOf({ child, system }: Running): Promise<number> {
  const cpu = await ask<{ user: number; system: number }>(child, system, {});
  return cpu.user + cpu.system;
}
