import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseTenantId } from "../../../src/kernel/ids.js";
import { openFence } from "../../../src/storage/fence.js";
import { connectMongo } from "../../../src/storage/mongo-connection.js";
import { closeClientOf } from "../../../src/storage/silos/cluster-silos.js";
import { strandedTenants } from "../../../src/storage/silos/silo-census.js";
import type { SiloHome } from "../../../src/tenancy/tenant-record.js";
import { newDocument } from "../../support/homes.js";
import { Command } from "../../support/server-process.js";
import { prefix, rootLogin, SiloServer, startGuardedEngine, type GuardedEngine } from "../../support/silo-fixture.js";
import { contextOf, policies, recordingTelemetry } from "../../support/tenants.js";

const acme = parseTenantId("acme");
const globex = parseTenantId("globex");
let engine: GuardedEngine;
let server: SiloServer;
let dir: string;
let port: number;
let second: Command;

/** The other cluster: the engine alone, in a process of its own, over TCP. */
async function startSecond(): Promise<Command> {
  const command = Command.run("scripts/engine.ts", ["--dir", dir, "--port", String(port)], { ENGINE_ROOT_USER: rootLogin.username, ENGINE_ROOT_PASSWORD: rootLogin.password });
  await command.says(/mongodb:\/\/\S+/);
  return command;
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((done) => probe.listen(0, "127.0.0.1", done));
  const { port: found } = probe.address() as AddressInfo;
  await new Promise((done) => probe.close(done));
  return found;
}

const address = (at: number, password: string = rootLogin.password) => `mongodb://${rootLogin.username}:${password}@127.0.0.1:${at}/?directConnection=true`;
const uris = async () => [
  { name: "east", uri: address(port) },
  { name: "down", uri: address(await freePort()) },
];

beforeAll(async () => {
  engine = await startGuardedEngine();
  dir = await mkdtemp(join(tmpdir(), "bulkhead-second-"));
  port = await freePort();
  second = await startSecond();
  server = await SiloServer.start(engine.uri, { named: await uris(), waitMsMax: 1_000 });
});
afterAll(async () => {
  await server.close();
  await second.kill();
  await engine.close();
  await rm(dir, { recursive: true, force: true });
});

async function writeInto(home: SiloHome, tenant: string): Promise<string> {
  const opened = await server.silos.open(home);
  try {
    const id = parseTenantId(tenant);
    await openFence(opened.database, id, 2);
    const document = await opened.store(contextOf(tenant, { epoch: 2 }), 2).documents.add(newDocument({ title: `Of ${tenant}` }), policies.PRO);
    return document.id;
  } finally {
    await closeClientOf(opened);
  }
}

async function inSecond<T>(look: (client: Awaited<ReturnType<typeof connectMongo>>) => Promise<T>): Promise<T> {
  const client = await connectMongo({ uri: address(port), local: true, appName: "test", maxPoolSize: 2, telemetry: recordingTelemetry() });
  try {
    return await look(client);
  } finally {
    await client.close();
  }
}

describe("a silo on another cluster", () => {
  test("lies there and nowhere else, with a user and a wall of its own", async () => {
    const home = await server.silos.place(acme, 2, "east");
    expect(home).toEqual({ kind: "SILO", database: `${prefix}_acme_2`, cluster: "east" });
    await server.silos.prepare(acme, home);
    await writeInto(home, "acme");
    expect(await server.silos.isolation(acme, home)).toEqual({ credential: "OWN", keyVersion: 1, cluster: "east" });
    expect(await inSecond((client) => client.db(home.database).collection("documents").countDocuments())).toBe(1);
    expect(await engine.root.db(home.database).listCollections().toArray()).toEqual([]);
    const opened = await server.silos.open(home);
    await expect(opened.database.client.db(`${prefix}_other_2`).collection("documents").findOne()).rejects.toMatchObject({ code: 13 });
    await closeClientOf(opened);
  });

  test("is chosen where the fewest are, and an unknown one is refused by name", async () => {
    const record = await server.control.directory.create({ id: acme, name: "Acme", tier: "ENTERPRISE" });
    await server.control.directory.update(record, { placement: { kind: "SETTLED", home: { kind: "SILO", database: `${prefix}_acme_2`, cluster: "east" }, epoch: 2 } });
    expect((await server.silos.place(globex, 2)).cluster).toBe("down");
    await expect(server.silos.place(globex, 2, "west")).rejects.toMatchObject({ code: "BAD_USER_INPUT", details: { field: "cluster", expected: "one of east, down" } });
  });

  test("that is not there keeps its own tenants waiting and nobody else's", async () => {
    const pool = await server.pool();
    const home = await server.silos.place(globex, 2, "down");
    await expect(server.silos.prepare(globex, home)).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE", message: "The tenant's database does not answer" });
    // The second of a hundred tenants is told at once.
    const startedAt = performance.now();
    await expect(server.silos.prepare(globex, home)).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE" });
    expect(performance.now() - startedAt).toBeLessThan(500);
    expect(await server.control.vault.names(globex)).toEqual([]);
    await openFence(pool.database, globex, 1);
    await pool.store(contextOf("globex"), 1).documents.add(newDocument(), policies.PRO);
    expect(server.telemetry.logs.some(({ message }) => message.includes("cluster down cannot be used"))).toBe(true);
    expect(JSON.stringify(server.telemetry.logs)).not.toContain(rootLogin.password);
  });

  test("that dies and comes back is served again; a silo destroyed meanwhile has no key at once, and is gone when it can be reached", async () => {
    const home = { kind: "SILO", database: `${prefix}_acme_2`, cluster: "east" } as const;
    const doomed = await server.silos.place(globex, 4, "east");
    await server.silos.prepare(globex, doomed);
    const opened = await server.silos.open(home);
    const store = opened.store(contextOf("acme", { epoch: 2 }), 2);

    await second.kill("SIGKILL");
    await Promise.all([
      expect(store.documents.page({ first: 5 }, {})).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE" }),
      expect(server.silos.open(home)).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE" }),
      expect(server.silos.destroy(globex, doomed)).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE" }),
    ]);
    expect(await server.control.vault.names(globex)).toEqual([`silo-password:${doomed.database}`]);

    second = await startSecond();
    expect((await store.documents.page({ first: 5 }, {})).items).toHaveLength(1);
    await closeClientOf(opened);
    expect(await server.silos.destroy(globex, doomed)).toEqual({ database: true, user: true, key: false });
    expect(await server.control.vault.names(globex)).toEqual([]);
    expect(await inSecond((client) => client.db(doomed.database).listCollections().toArray())).toEqual([]);
    expect(await inSecond((client) => client.db("admin").command({ usersInfo: doomed.database }))).toMatchObject({ users: [] });
  });

  test("that SILO_CLUSTER_URIS names no more is not looked for elsewhere, and its tenants are named", async () => {
    const without = await SiloServer.start(engine.uri);
    await expect(without.silos.open({ kind: "SILO", database: `${prefix}_acme_2`, cluster: "east" })).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE" });
    const control = engine.root.db(`${prefix}_control`);
    expect(await strandedTenants(control, without.clusters.names, 20)).toEqual(["acme"]);
    expect(await strandedTenants(control, server.clusters.names, 20)).toEqual([]);
    await without.close();
  });

  test("whose given password is wrong is told as down, to the tenant; the log says why, without the password", async () => {
    const wrong = await SiloServer.start(engine.uri, { named: [{ name: "east", uri: address(port, "a-wrong-password") }] });
    const home = await wrong.silos.place(globex, 2, "east");
    const failed: unknown = await wrong.silos.prepare(globex, home).catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: "SERVICE_UNAVAILABLE", message: "The tenant's database does not answer" });
    expect(JSON.stringify(wrong.telemetry.logs)).not.toContain("a-wrong-password");
    await wrong.close();
  });
});
