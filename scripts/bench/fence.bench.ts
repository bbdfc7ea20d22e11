/**
 * What the fence costs: 16 concurrent writers of one tenant through its store beside plain inserts of
 * the same rows, on one server and on two, over one embedded engine with users off and fsync on.
 */
import { fork, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEngine } from "../../src/embedded/start-engine.js";
import { median, quantile, type Bench } from "./bench-result.js";
import { compileScript } from "./compile-script.js";
import { ask, hear } from "./hear.js";

const writersInAll = 16;
const ways = ["plain", "fenced"] as const;
type Way = (typeof ways)[number];

interface Answer {
  readonly writes: number;
  readonly tookMs: number;
  readonly latenciesMs: readonly number[];
}

interface Round {
  readonly perSecond: number;
  readonly p99: number;
}

export const bench: Bench = async (args, progress) => {
  const rounds = Number(args[0] ?? 5);
  const forMs = Number(args[1] ?? 2_000);
  const dir = mkdtempSync(join(tmpdir(), "bulkhead-bench-"));
  const built = compileScript("scripts/bench/fence-writer.ts");
  const engine = await startEngine({ dir, listen: { host: "127.0.0.1", port: 0 } });
  const children: ChildProcess[] = [];
  try {
    for (const server of ["server-1", "server-2"]) {
      const child = fork(join(built, "scripts/bench/fence-writer.js"), [engine.uri, "bench_fence", server], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
      children.push(child);
      await hear(child, server);
    }
    const figures = new Map<string, Round[]>();
    for (let round = 0; round <= rounds; round += 1) {
      for (const servers of [1, 2]) {
        for (const way of ways) {
          const measured = await measure(children.slice(0, servers), way, round === 0 ? 500 : forMs);
          const key = `${way} ${servers}`;
          if (round > 0) figures.set(key, [...(figures.get(key) ?? []), measured]);
          progress(`round ${round} of ${rounds}: ${way}, ${servers} server${servers === 1 ? "" : "s"}: ${measured.perSecond.toFixed(0)} writes/s, p99 ${measured.p99.toFixed(1)} ms`);
        }
      }
    }
    const of = (way: Way, servers: number, figure: keyof Round): number => median((figures.get(`${way} ${servers}`) ?? []).map((round) => round[figure]));
    const ratio = (servers: number, figure: keyof Round): number => of("fenced", servers, figure) / of("plain", servers, figure);
    return {
      results: [1, 2].flatMap((servers) =>
        ways.flatMap((way) => [
          { system: `${way}, ${servers} server${servers === 1 ? "" : "s"}`, metric: "writes a second", unit: "1/s", value: of(way, servers, "perSecond") },
          { system: `${way}, ${servers} server${servers === 1 ? "" : "s"}`, metric: "p99", unit: "ms", value: of(way, servers, "p99") },
        ]),
      ),
      ratios: { "writes a second on one server": ratio(1, "perSecond"), "p99 on one server": ratio(1, "p99"), "writes a second on two servers": ratio(2, "perSecond"), "p99 on two servers": ratio(2, "p99") },
      goals: {
        "writes a second on one server": { op: ">=", value: 0.7 },
        "p99 on one server": { op: "<=", value: 3 },
        "writes a second on two servers": { op: ">=", value: 0.7 },
        "p99 on two servers": { op: "<=", value: 3 },
      },
    };
  } finally {
    for (const child of children) child.kill();
    await engine.close();
    for (const folder of [dir, built]) rmSync(folder, { recursive: true, force: true });
  }
};

async function measure(children: readonly ChildProcess[], way: Way, forMs: number): Promise<Round> {
  const answers = await Promise.all(children.map((child, at) => ask<Answer>(child, `server-${at + 1}`, { way, writers: writersInAll / children.length, forMs })));
  return {
    perSecond: answers.reduce((sum, { writes, tookMs }) => sum + (writes * 1_000) / tookMs, 0),
    p99: quantile(answers.flatMap(({ latenciesMs }) => latenciesMs), 0.99),
  };
}
