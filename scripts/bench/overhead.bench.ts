/**
 * CPU of one scoped `documents` list of 20, data from memory: our whole stack beside the same
 * resolver on bare Apollo Server, with its default settings and with cache control off. Each system
 * runs in a process of its own; rounds alternate between them and the medians are compared.
 */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { Agent, request } from "node:http";
import { fileURLToPath } from "node:url";
import { median, type Bench } from "./bench-result.js";

const systems = ["bulkhead", "apollo default", "apollo without cache control"] as const;
type System = (typeof systems)[number];

const query = "{ documents(first: 20) { nodes { id title mediaType tags state bytes chunkCount version createdAt updatedAt } edges { cursor } pageInfo { hasNextPage endCursor } } }";
const connections = 8;

interface Running {
  readonly child: ChildProcess;
  readonly url: string;
  readonly token: string;
}

export const bench: Bench = async (args, progress) => {
  const rounds = Number(args[0] ?? 7);
  const requests = Number(args[1] ?? 2_000);
  const running = new Map<System, Running>();
  try {
    for (const system of systems) running.set(system, await start(system));
    const micros = new Map<System, number[]>(systems.map((system) => [system, []]));
    for (let round = 0; round <= rounds; round += 1) {
      for (const system of systems) {
        const server = running.get(system);
        if (server === undefined) continue;
        const cpu = await measure(server, requests);
        // The first round warms the compiler up.
        if (round > 0) micros.get(system)?.push(cpu);
      }
      progress(`round ${round} of ${rounds}`);
    }
    const value = (system: System): number => median(micros.get(system) ?? []);
    return {
      results: systems.map((system) => ({ system, metric: "CPU a request", unit: "µs", value: value(system) })),
      ratios: { "to apollo default": value("bulkhead") / value("apollo default"), "to apollo without cache control": value("bulkhead") / value("apollo without cache control") },
      goals: { "to apollo default": { op: "<=", value: 0.75 }, "to apollo without cache control": { op: "<=", value: 1.05 } },
    };
  } finally {
    for (const { child } of running.values()) child.kill();
  }
};

async function start(system: System): Promise<Running> {
  const child = fork(fileURLToPath(new URL("./overhead-server.ts", import.meta.url)), [system], { execArgv: ["--import", "tsx"], env: { ...process.env, NODE_ENV: "production" }, stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const [ready] = (await once(child, "message")) as [{ url: string; token: string }];
  return { child, ...ready };
}

/** Microseconds of CPU, user and system, of the server's process, a request. */
async function measure(server: Running, requests: number): Promise<number> {
  const before = await cpuOf(server.child);
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
  return ((await cpuOf(server.child)) - before) / requests;
}

async function cpuOf(child: ChildProcess): Promise<number> {
  child.send("cpu");
  const [cpu] = (await once(child, "message")) as [{ user: number; system: number }];
  return cpu.user + cpu.system;
}

function post(server: Running, agent: Agent): Promise<void> {
  const body = JSON.stringify({ query });
  const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body), authorization: `Bearer ${server.token}` };
  return new Promise((resolve, reject) => {
    const outgoing = request(server.url, { method: "POST", agent, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("end", () => (response.statusCode === 200 && !text.includes('"errors"') && text.includes('"title"') ? resolve() : reject(new Error(`${response.statusCode} ${text.slice(0, 300)}`))));
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}
