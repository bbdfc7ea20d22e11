/** Two servers behind a round robin that asks /health/ready, as a load balancer does; one of them is told to stop while 50 clients ask. */
import { Agent, request } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Issuer, ServerProcess, startEngineProcess, temporaryFolder, type Command } from "../support/server-process.js";

const folder = temporaryFolder("rolling");
const clients = 50;
const agent = new Agent({ keepAlive: true, maxSockets: 100 });

let issuer: Issuer;
let engine: { readonly command: Command; readonly uri: string };
const servers: ServerProcess[] = [];
let token = "";

const start = async (at: number): Promise<ServerProcess> => ServerProcess.start(issuer, `${folder.path}/server-${at}`, { MONGODB_URI: engine.uri, DRAIN_DELAY_MS: "2000" });

beforeAll(async () => {
  issuer = await Issuer.start();
  engine = await startEngineProcess(`${folder.path}/engine`);
  // One after the other: the first makes the collections.
  for (const at of [0, 1]) servers.push(await start(at));
  await servers[0]?.must("operator", 'mutation { createTenant(input: { id: "acme", name: "Acme", tier: ENTERPRISE }) { tenant { id } } }');
  token = await issuer.token({ tenant: "acme" });
}, 120_000);
afterAll(async () => {
  agent.destroy();
  await Promise.all(servers.map(({ command }) => command.kill()));
  await engine.command.kill();
  await issuer.close();
  folder.remove();
});

/** The status, or why there was none. */
function ask(url: string): Promise<string> {
  return new Promise((resolve) => {
    const sent = request(`${url}/graphql`, { method: "POST", agent, headers: { "content-type": "application/json", authorization: `Bearer ${token}` } }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.on("end", () => resolve(response.statusCode === 200 && text.includes('"user":"anna"') ? "answered" : `${response.statusCode} ${text}`));
      response.on("error", (error) => resolve(String(error)));
    });
    sent.on("error", (error) => resolve(String(error)));
    sent.end(JSON.stringify({ query: "{ viewer { user } }" }));
  });
}

async function isReady(url: string): Promise<boolean> {
  return fetch(`${url}/health/ready`).then((answer) => answer.ok, () => false);
}

test("a server that is told to stop under load fails no request, and ends by itself", async () => {
  let ready = servers.map(({ url }) => url);
  const over = new AbortController();
  const outcomes = new Map<string, number>();
  const afterStop = { answered: 0 };
  let isStopping = false;
  const watching = (async () => {
    while (!over.signal.aborted) {
      const states = await Promise.all(servers.map(async ({ url }) => ((await isReady(url)) ? [url] : [])));
      ready = states.flat();
      await new Promise((done) => setTimeout(done, 250));
    }
  })();
  let turn = 0;
  const asking = Array.from({ length: clients }, async () => {
    while (!over.signal.aborted) {
      turn += 1;
      const url = ready[turn % ready.length];
      // Both may look unready for a moment on a machine that is busy with other suites: a balancer holds the request back meanwhile.
      if (url === undefined) {
        await new Promise((done) => setTimeout(done, 100));
        continue;
      }
      const outcome = await ask(url);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      if (isStopping && outcome === "answered") afterStop.answered += 1;
      // Fifty clients at a person's pace or so; the tenant's minute is not what is tested.
      await new Promise((done) => setTimeout(done, 400));
    }
  });
  await new Promise((done) => setTimeout(done, 3_000));
  isStopping = true;
  const ended = await servers[1]?.command.kill("SIGTERM");
  expect(await isReady(servers[1]?.url ?? "")).toBe(false);
  await new Promise((done) => setTimeout(done, 2_000));
  over.abort();
  await Promise.all([...asking, watching]);
  expect(Object.fromEntries(outcomes)).toEqual({ answered: expect.any(Number) });
  expect(afterStop.answered).toBeGreaterThan(clients);
  expect(ended).toEqual({ code: 0, signal: null });
}, 120_000);
