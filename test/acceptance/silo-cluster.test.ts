import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startEngineProcess, temporaryFolder } from "../support/server-process.js";
import { TestServer } from "./server.js";

const root = { user: "root", password: "of-the-second-engine" } as const;
const acme = { tenant: "acme" } as const;
const globex = { tenant: "globex" } as const;
const titles = "{ documents { nodes { title } } }";
const isolation = "query ($id: ID!) { tenant(id: $id) { placement isolation { credential keyVersion cluster } } }";
const createTenant = "mutation ($input: CreateTenantInput!) { createTenant(input: $input) { tenant { id } } }";

const folder = temporaryFolder("cluster");
let second: Awaited<ReturnType<typeof startSecond>>;
let server: TestServer;

const startSecond = (port = 0) => startEngineProcess(folder.path, port, { ENGINE_ROOT_USER: root.user, ENGINE_ROOT_PASSWORD: root.password });

beforeAll(async () => {
  second = await startSecond();
  server = await TestServer.start({ SILO_CLUSTER_URIS: `east=mongodb://${root.user}:${root.password}@127.0.0.1:${second.port}/?directConnection=true` });
});
afterAll(async () => {
  await server.stop();
  await second.command.kill();
  folder.remove();
});

describe("a silo on a second cluster, in a process of its own", () => {
  test("is made, filled and told with its own credential, its key and its cluster", async () => {
    await server.must("operator", createTenant, { input: { id: "acme", name: "Acme", tier: "ENTERPRISE", cluster: "east" } });
    await expect.poll(() => server.untilPlaced("acme"), { timeout: 60_000 }).toBe("SILO");
    await server.ingest(acme, "Handbook", "Eight weeks of leave.");
    expect((await server.must("operator", isolation, { id: "acme" }))["tenant"]?.["isolation"]).toEqual({ credential: "OWN", keyVersion: 1, cluster: "east" });
    const refused = await server.ask("operator", createTenant, { input: { id: "initech", name: "Initech", tier: "ENTERPRISE", cluster: "west" } });
    expect(refused.errors[0]?.extensions).toMatchObject({ code: "BAD_USER_INPUT", expected: "one of east" });
  }, 90_000);

  test("that is down when the server starts stops nobody else, and serves again when it is back", async () => {
    await second.command.kill();
    await server.restart();
    await server.createTenant("globex", "PRO");
    await server.ingest(globex, "Notes", "Two weeks of leave.");
    const refused = await server.ask(acme, titles);
    expect(refused.errors[0]?.extensions).toMatchObject({ code: "SERVICE_UNAVAILABLE", retryable: true });
    expect(refused.text).not.toMatch(/east|127\.0\.0\.1|of-the-second-engine/);

    second = await startSecond(second.port);
    // A cluster that was not there is not looked for again for a second.
    await expect.poll(async () => (await server.ask(acme, titles)).data["documents"], { timeout: 60_000 }).toEqual({ nodes: [{ title: "Handbook" }] });
  }, 90_000);
});
