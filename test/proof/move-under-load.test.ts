/**
 * A tenant is moved there and back, again and again, by two whole servers on one engine, all of them
 * processes, while it is written and searched on both.
 * PROOF_ROUND_TRIPS: 10 by default, two moves each. PROOF_WRITES_PER_SECOND: 50 by default.
 */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Json } from "../acceptance/server.js";
import { BusyClient, must, type Endpoint } from "../support/busy-client.js";
import { startGuardedEngineProcess } from "../support/guarded-engine-process.js";
import { Command, Issuer, productionOf, temporaryFolder } from "../support/server-process.js";
import { rootLogin, type GuardedEngine } from "../support/silo-fixture.js";
import { startStubEmbeddingServer, type StubEmbeddingServer } from "../support/stub-embedding-server.js";

const roundTrips = Number(process.env["PROOF_ROUND_TRIPS"] ?? 10);
const writesPerSecond = Number(process.env["PROOF_WRITES_PER_SECOND"] ?? 50);
const tenant = "cedar";
const databasePrefix = "bulkhead";
const pollMs = 100;
const limits = { requestsPerMinute: 1_000_000, tokensPerMinute: 100_000_000, maxDocuments: 100_000, maxChunks: 1_000_000 };

const folder = temporaryFolder("moves");
let issuer: Issuer;
let engine: GuardedEngine;
let embeddings: StubEmbeddingServer;
let servers: readonly Command[] = [];
let operators: readonly Endpoint[] = [];
let admins: readonly Endpoint[] = [];

beforeAll(async () => {
  issuer = await Issuer.start();
  engine = await startGuardedEngineProcess();
  embeddings = await startStubEmbeddingServer();
  const tenants = tiersWithoutLimits();
  const uri = engine.uri.replace("mongodb://", `mongodb://${rootLogin.username}:${rootLogin.password}@`);
  const start = (name: string): Command => Command.run("test/support/server-worker.ts", [tenants], { ...productionOf(issuer, join(folder.path, name)), ...embeddings.environment, MONGODB_URI: uri, MONGODB_DATABASE: databasePrefix });
  const first = start("first");
  // The second finds what the first has declared, as servers do that are started one after the other.
  const urls = [await urlOf(first)];
  const second = start("second");
  urls.push(await urlOf(second));
  servers = [first, second];
  const [operator, admin] = [await issuer.token("operator"), await issuer.token({ tenant, roles: ["admin"] })];
  operators = urls.map((url) => ({ url, token: operator }));
  admins = urls.map((url) => ({ url, token: admin }));
}, 180_000);

afterAll(async () => {
  await Promise.all(servers.map((server) => server.kill()));
  await embeddings.close();
  await engine.close();
  await issuer.close();
  folder.remove();
});

test(`${roundTrips} times there and back under ${writesPerSecond} writes a second: nothing lost, nothing doubled, no read failed, everything found`, async () => {
  await operate(0, "mutation ($input: CreateTenantInput!) { createTenant(input: $input) { tenant { id } } }", { input: { id: tenant, name: tenant, tier: "PRO" } });
  const client = new BusyClient(admins);
  const startedAt = performance.now();
  client.begin(writesPerSecond);
  const pauses: number[] = [];
  for (let n = 0; n < 2 * roundTrips; n += 1) {
    // In turn by both servers; either may then drive it.
    const { changeTier } = await operate(n % 2, "mutation ($input: ChangeTierInput!) { changeTier(input: $input) { placementMove { id } } }", { input: { tenantId: tenant, tier: n % 2 === 0 ? "ENTERPRISE" : "PRO" } });
    const move = await ended(String(changeTier?.["placementMove"]?.["id"]));
    expect({ phase: move["phase"], failure: move["failure"] }).toEqual({ phase: "DONE", failure: null });
    pauses.push(Number(move["writePauseMs"]));
    process.stdout.write(`move ${n + 1} after ${((performance.now() - startedAt) / 1_000).toFixed(1)} s, pause ${pauses.at(-1)} ms\n`);
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  await client.stop();
  const sorted = client.writeMs.toSorted((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN).toFixed(0);
  process.stdout.write(`${pauses.length} moves in ${seconds.toFixed(0)} s under ${(sorted.length / seconds).toFixed(1)} writes a second (${client.skipped} beats skipped) and ${(client.searches / seconds).toFixed(1)} searches a second: ${client.told}\n`);
  process.stdout.write(`longest write pause ${Math.max(...pauses).toFixed(1)} ms of ${pauses.join(", ")}; a write as the client saw it: median ${at(0.5)}, p99 ${at(0.99)}, longest ${at(1)} ms\n`);
  expect(client.failures).toEqual([]);
  for (const endpoint of admins) {
    expect(await client.differences(endpoint)).toEqual([]);
    const { asked, found } = await client.recall(endpoint);
    process.stdout.write(`found ${found} of ${asked} documents by their own words\n`);
    expect(asked).toBeGreaterThan(0);
    expect(found).toBe(asked);
  }
  expect(client.searches).toBeGreaterThan(roundTrips);
  // At home in the pool again: no database of a silo, and no user of one, is left.
  const { databases } = await engine.root.db("admin").admin().listDatabases({ nameOnly: true });
  const { users } = (await engine.root.db("admin").command({ usersInfo: 1 })) as { users?: readonly { readonly user: string }[] };
  expect([...databases.map(({ name }) => name), ...(users ?? []).map(({ user }) => user)].filter((name) => name.startsWith(`${databasePrefix}_${tenant}_`))).toEqual([]);
}, 600_000);

function operate(server: number, query: string, variables: Readonly<Record<string, unknown>>): Promise<Json> {
  return must(operators[server] as Endpoint, query, variables);
}

async function ended(id: string): Promise<Json> {
  for (;;) {
    const { placementMove } = await operate(0, "query ($id: ID!) { placementMove(id: $id) { phase failure writePauseMs finishedAt } }", { id });
    if (placementMove?.["finishedAt"] !== null && ["DONE", "FAILED", "CANCELLED", "REVERTED"].includes(String(placementMove?.["phase"]))) return placementMove as Json;
    await sleep(pollMs);
  }
}

async function urlOf(server: Command): Promise<string> {
  const [, url = ""] = await server.says(/serving (\S+)/);
  return url;
}

/** The tiers as they are, but for limits that would refuse this load. */
function tiersWithoutLimits(): string {
  const repository = resolve(import.meta.dirname, "../../tenants");
  const path = join(folder.path, "tenants");
  mkdirSync(path);
  const tiers = JSON.parse(readFileSync(join(repository, "tiers.json"), "utf8")) as Readonly<Record<string, object>>;
  writeFileSync(join(path, "tiers.json"), JSON.stringify(Object.fromEntries(Object.entries(tiers).map(([tier, policy]) => [tier, { ...policy, ...limits }]))));
  cpSync(join(repository, "prices.json"), join(path, "prices.json"));
  return path;
}
