/**
 * CPU of one scoped `documents` list of 20, data from memory: our whole stack beside the same
 * resolver on bare Apollo Server, with its default settings and with cache control off. Each system
 * runs in a process of its own; rounds alternate between them and the medians are compared.
 */
import { fork, type ChildProcess } from "node:child_process";
import { Agent, request } from "node:http";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { median, type Bench } from "./bench-result.js";
import { compileScript } from "./compile-script.js";
import { hear } from "./hear.js";

const systems = ["bulkhead", "apollo default", "apollo without cache control"] as const;
type System = (typeof systems)[number];

const query = "{ documents(first: 20) { nodes { id title mediaType tags state bytes chunkCount version createdAt updatedAt } edges { cursor } pageInfo { hasNextPage endCursor } } }";
const connections = 8;
/** Each system gets quicker for that long: the compiler takes up a function by how often it ran, and most run once a request. */
const warmUpRequests = 12_000;

/** A loaded machine is slow to start three servers; one that has died says nothing for ever. */
const silenceMsMax = 30_000;

interface Running {
  readonly system: System;
  readonly child: ChildProcess;
  readonly url: string;
  readonly token: string;
}

export const bench: Bench = async (args, progress) => {
  const rounds = Number(args[0] ?? 7);
  const requests = Number(args[1] ?? 2_000);
  const warmUp = Number(args[2] ?? warmUpRequests);
  const running: Running[] = [];
  const built = compileScript("scripts/bench/overhead-server.ts");
  try {
    for (const system of systems) running.push(await start(system, built));
    await assertSameAnswers(running);
    const micros = new Map<System, number[]>(systems.map((system) => [system, []]));
    for (let round = 0; round <= rounds; round += 1) {
      for (const server of running) {
        const cpu = await measure(server, round === 0 ? warmUp : requests);
        if (round > 0) micros.get(server.system)?.push(cpu);
      }
      progress(`round ${round} of ${rounds}: ${running.map(({ system }) => `${system} ${micros.get(system)?.at(-1)?.toFixed(0) ?? "warm"}`).join(", ")}`);
    }
    const value = (system: System): number => median(micros.get(system) ?? []);
    return {
      results: systems.map((system) => ({ system, metric: "CPU a request", unit: "µs", value: value(system) })),
      ratios: { "to apollo default": value("bulkhead") / value("apollo default"), "to apollo without cache control": value("bulkhead") / value("apollo without cache control") },
      goals: { "to apollo default": { op: "<=", value: 0.75 }, "to apollo without cache control": { op: "<=", value: 1.05 } },
    };
  } finally {
    for (const { child } of running) child.kill();
    rmSync(built, { recursive: true, force: true });
  }
};

async function start(system: System, built: string): Promise<Running> {
  const child = fork(join(built, "scripts/bench/overhead-server.js"), [system], { env: { ...process.env, NODE_ENV: "production" }, stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const { url, token } = await hear<{ url: string; token: string }>(child, system);
  return { system, child, url, token };
}

/** Microseconds of CPU, user and system, of the server's process, a request. */
async function measure(server: Running, requests: number): Promise<number> {
  const before = await cpuOf(server);
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  let left = requests;
  const worker = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await post(server, agent);
    }
  };
  await Promise.all(Array.from({ length: connections }, worker));
  agent.destroy();
  return ((await cpuOf(server)) - before) / requests;
}

async function cpuOf({ child, system }: Running): Promise<number> {
  const heard = hear<{ user: number; system: number }>(child, system);
  child.send("cpu");
  const cpu = await heard;
  return cpu.user + cpu.system;
}

/** The answer's text. Throws for any answer but a full list: an error is quicker than one, and would pass for speed. */
function post({ url, token, system }: Running, agent: Agent): Promise<string> {
  const body = JSON.stringify({ query });
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body), authorization: `Bearer ${token}` };
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method: "POST", agent, headers, timeout: silenceMsMax }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("error", reject);
      response.on("end", () => (response.statusCode === 200 && !text.includes('"errors"') && text.includes('"Document 19"') ? resolve(text) : reject(new Error(`${system} answered ${response.statusCode} ${text.slice(0, 300)}`))));
    });
    outgoing.on("timeout", () => outgoing.destroy(new Error(`${system} did not answer within ${silenceMsMax} ms`)));
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

/** Peers that do other work would make the ratio mean nothing. */
async function assertSameAnswers(servers: readonly Running[]): Promise<void> {
  const agent = new Agent();
  const answers = await Promise.all(servers.map((server) => post(server, agent)));
  agent.destroy();
  const differs = servers.find((_, at) => answers[at] !== answers[0]);
  if (differs !== undefined) throw new Error(`${differs.system} answers otherwise than ${servers[0]?.system}`);
}
