import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { parseTenantId } from "../../../src/kernel/ids.js";
import { AtlasApi } from "../../../src/storage/atlas/atlas-api.js";
import { Cluster } from "../../../src/storage/silos/cluster.js";
import { closeClientOf } from "../../../src/storage/silos/cluster-silos.js";
import { Clusters } from "../../../src/storage/silos/clusters.js";
import type { SiloHome } from "../../../src/tenancy/tenant-record.js";
import { prefix, SiloServer, startGuardedEngine, tracesOf, type GuardedEngine } from "../../support/silo-fixture.js";
import { StubAtlas } from "../../support/stub-atlas.js";
import type { RecordingTelemetry } from "../../support/tenants.js";

/** As an Atlas user with `atlasAdmin`: anything but making users. */
const login = { username: "atlas-admin", password: "given-by-hand" };
/** How long Atlas takes to bring a change to the cluster. */
const deployMs = 400;
const acme = parseTenantId("acme");
let atlas: StubAtlas;
let engine: GuardedEngine;
let home: SiloHome;

beforeAll(async () => {
  atlas = await StubAtlas.start();
  engine = await startGuardedEngine({ tcp: true });
  const admin = engine.root.db("admin");
  await admin.command({ createUser: login.username, pwd: login.password, roles: ["readWriteAnyDatabase", "dbAdminAnyDatabase"] });
  // The cluster as the API tells of it, among others of the project and in one of its kinds of address.
  atlas.clusters = [
    { name: "Other", connectionStrings: { standardSrv: "mongodb+srv://other.abcde.mongodb.net" } },
    { name: "Cluster0", connectionStrings: { standard: "mongodb://elsewhere:27017/?ssl=true", privateEndpoint: [{ connectionString: engine.uri }] } },
  ];
  atlas.onChange = (name, user) => {
    setTimeout(() => {
      const roles = user?.roles.map(({ roleName, databaseName }) => ({ role: roleName, db: databaseName })) ?? [];
      const change = user === undefined ? admin.command({ dropUser: name }) : admin.command({ createUser: name, pwd: user.password, roles }).catch(() => admin.command({ updateUser: name, pwd: user.password, roles }));
      change.catch(() => undefined);
    }, deployMs);
  };
});
afterAll(async () => {
  await atlas.close();
  await engine.close();
});
beforeEach(() => {
  atlas.seen.length = 0;
});

function start(): Promise<SiloServer> {
  const api = new AtlasApi({ publicKey: atlas.publicKey, privateKey: atlas.privateKey, projectId: atlas.projectId, baseUrl: atlas.baseUrl, pauseMsMin: 10, giveUpMs: 1_000 });
  const clusters = (telemetry: RecordingTelemetry) => new Clusters(new Cluster({ uri: engine.uri, login, local: true, adminConnectionsMax: 5, onAtlas: true, telemetry, atlas: api }), [], telemetry);
  return SiloServer.start(engine.uri, { clusters });
}

const asked = () => atlas.seen.filter(({ authorized }) => authorized).map(({ method, path }) => `${method} ${path.split("/groups/")[1]?.slice(25)}`);

describe("users made by the Atlas Admin API", () => {
  test("hold for one database of one cluster, and are waited for until they can log in", async () => {
    const server = await start();
    home = await server.silos.place(acme, 2);
    const startedAt = performance.now();
    await server.silos.prepare(acme, home);
    expect(performance.now() - startedAt).toBeGreaterThan(deployMs - 50);
    expect(atlas.users.get(home.database)).toMatchObject({ databaseName: "admin", roles: [{ roleName: "readWrite", databaseName: home.database }], scopes: [{ name: "Cluster0", type: "CLUSTER" }] });
    expect(await server.silos.isolation(acme, home)).toEqual({ credential: "OWN", keyVersion: 1 });
    const opened = await server.silos.open(home);
    await expect(opened.database.client.db(`${prefix}_pool`).collection("documents").findOne()).rejects.toMatchObject({ code: 13 });
    await closeClientOf(opened);
    const password = atlas.users.get(home.database)?.password ?? "none";
    expect(JSON.stringify(server.telemetry.logs)).not.toContain(password);
    expect(JSON.stringify(server.telemetry.logs)).not.toContain(atlas.privateKey);
    await server.close();
  });

  test("cost no call of the API when a server starts again: a database that answers is enough", async () => {
    const server = await start();
    await closeClientOf(await server.silos.open(home));
    expect(asked()).toEqual([]);
    await server.close();
  });

  test("are brought to the password of the vault when they have another", async () => {
    await engine.root.db("admin").command({ updateUser: home.database, pwd: "changed-by-hand" });
    const server = await start();
    await server.silos.prepare(acme, home);
    expect(asked()).toContain(`PATCH databaseUsers/admin/${home.database}`);
    await closeClientOf(await server.silos.open(home));
    await server.close();
  });

  test("that are another cluster's are left alone", async () => {
    const globex = parseTenantId("globex");
    const server = await start();
    const other = await server.silos.place(globex, 2);
    const theirs = { username: other.database, password: "theirs", databaseName: "admin", roles: [], scopes: [{ name: "Other", type: "CLUSTER" }] };
    atlas.users.set(other.database, theirs);
    await expect(server.silos.prepare(globex, other)).rejects.toMatchObject({ code: "CONFLICT" });
    expect(atlas.users.get(other.database)?.password).toBe("theirs");
    await server.close();
  });

  test("cannot be made while the API is down, and are made when it is back", async () => {
    const initech = parseTenantId("initech");
    const server = await start();
    const place = await server.silos.place(initech, 2);
    for (let i = 0; i < 1_000; i += 1) atlas.faults.push({ status: 503 });
    await expect(server.silos.prepare(initech, place)).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE" });
    atlas.faults.length = 0;
    await server.silos.prepare(initech, place);
    await closeClientOf(await server.silos.open(place));
    await server.close();
  });

  test("go with their silo", async () => {
    const server = await start();
    expect(await server.silos.destroy(acme, home)).toEqual({ database: true, user: true, key: true });
    expect(atlas.users.has(home.database)).toBe(false);
    await sleep(deployMs + 100);
    expect(await tracesOf(engine.root, server.control, "acme")).toEqual([]);
    expect(await server.silos.destroy(acme, home)).toEqual({ database: false, user: false, key: false });
    await server.close();
  });

  test("need a cluster of the project", async () => {
    const server = await start();
    const [, ours] = atlas.clusters;
    atlas.clusters = [];
    const hooli = parseTenantId("hooli");
    await expect(server.silos.prepare(hooli, await server.silos.place(hooli, 2))).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE", message: expect.stringContaining("has no cluster at") });
    atlas.clusters = [ours ?? {}];
    await server.close();
  });

  test("are given no name longer than Atlas takes", async () => {
    const server = await start();
    await expect(server.silos.place(parseTenantId("a".repeat(26)), 123_456_789)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
    await server.close();
  });
});
