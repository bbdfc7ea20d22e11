import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { parseTenantId, type TenantId } from "../../../src/kernel/ids.js";
import { clearRows } from "../../../src/storage/row-sealer.js";
import { closeClientOf } from "../../../src/storage/silos/cluster-silos.js";
import type { SiloHome } from "../../../src/tenancy/tenant-record.js";
import { openFence } from "../../../src/storage/fence.js";
import { newDocument } from "../../support/homes.js";
import { prefix, rootLogin, SiloServer, startGuardedEngine, tracesOf, type GuardedEngine } from "../../support/silo-fixture.js";
import { contextOf, policies } from "../../support/tenants.js";

let engine: GuardedEngine;
let server: SiloServer;
let count = 0;
let tenant: TenantId;
let home: SiloHome;

beforeAll(async () => {
  engine = await startGuardedEngine();
  server = await SiloServer.start(engine.uri);
});
afterAll(async () => {
  await server.close();
  await engine.close();
});
beforeEach(async () => {
  count += 1;
  tenant = parseTenantId(`tenant-${count}`);
  home = await server.silos.place(tenant, 2);
});

const admin = () => engine.root.db("admin");
const dataKey = () => `silo-data:${home.database}`;
const whole = (name: string) => [`database ${prefix}_${name}_2`, `user ${prefix}_${name}_2`, `secret silo-data:${prefix}_${name}_2`, `secret silo-password:${prefix}_${name}_2`];

/** Opens the silo as a request does and writes into it. */
async function expectServed(): Promise<void> {
  const opened = await server.silos.open(home);
  try {
    const context = contextOf(tenant, { epoch: 2 });
    await openFence(opened.database, tenant, 2);
    const { id } = await opened.store(context, 2).documents.add(newDocument(), policies.PRO);
    expect(await opened.store(context, 2).documents.get(id)).toBeDefined();
  } finally {
    await closeClientOf(opened);
  }
}

describe("preparing a silo", () => {
  test("makes database, user, key and password; twice makes no more and changes no password", async () => {
    await server.silos.prepare(tenant, home);
    const opened = await server.silos.open(home);
    const key = await server.control.vault.find(tenant, dataKey());
    await server.silos.prepare(tenant, home);
    expect(await tracesOf(engine.root, server.control, tenant)).toEqual(whole(tenant));
    expect((await server.control.vault.find(tenant, dataKey()))?.versions).toEqual(key?.versions);
    // A client that was logged in before is not cut off.
    expect(await opened.database.db.collection("documents").findOne()).toBeNull();
    await closeClientOf(opened);
    await expectServed();
  });

  test("by two servers at once ends as by one", async () => {
    const second = await SiloServer.start(engine.uri);
    await Promise.all([server.silos.prepare(tenant, home), second.silos.prepare(tenant, home)]);
    expect(await tracesOf(engine.root, server.control, tenant)).toEqual(whole(tenant));
    await expectServed();
    await second.close();
  });

  test.each<[string, () => Promise<unknown>]>([
    ["the key alone", () => server.control.vault.ensure(tenant, dataKey())],
    ["key and password without a user", async () => {
      await server.control.vault.ensure(tenant, dataKey());
      await server.control.vault.ensure(tenant, `silo-password:${home.database}`);
    }],
    ["a user with another password", () => admin().command({ createUser: home.database, pwd: "another", roles: [{ role: "readWrite", db: home.database }] })],
    ["a user with rights to the pool", () => admin().command({ createUser: home.database, pwd: "another", roles: [{ role: "readWrite", db: `${prefix}_pool` }, { role: "readWrite", db: home.database }] })],
    ["some collections without a user or a key", () => engine.root.db(home.database).createCollection("documents")],
  ])("after a crash that left %s makes the rest", async (_left, crash) => {
    await crash();
    await server.silos.prepare(tenant, home);
    expect(await tracesOf(engine.root, server.control, tenant)).toEqual(whole(tenant));
    const { users } = await admin().command({ usersInfo: home.database });
    expect(users[0].roles).toEqual([{ role: "readWrite", db: home.database }]);
    await expectServed();
  });

  test("of another tenant's name is refused", async () => {
    await expect(server.silos.prepare(parseTenantId("mallory"), home)).rejects.toMatchObject({ code: "INTERNAL" });
    expect(await tracesOf(engine.root, server.control, tenant)).toEqual([]);
  });
});

describe("opening a silo", () => {
  test("that was never prepared is refused and makes nothing", async () => {
    await expect(server.silos.open(home)).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE" });
    expect(await tracesOf(engine.root, server.control, tenant)).toEqual([]);
  });

  test.each<[string, () => Promise<unknown>]>([
    ["was removed", () => admin().command({ dropUser: home.database })],
    ["has another password", () => admin().command({ updateUser: home.database, pwd: "another" })],
  ])("whose user %s by hand brings the user back", async (_what, meddle) => {
    await server.silos.prepare(tenant, home);
    await meddle();
    await expectServed();
  });

  test("while it is destroyed leaves nothing behind", async () => {
    await server.silos.prepare(tenant, home);
    // The pause of a server that slept: between its login and its declarations someone destroys the silo.
    const sleeper = await SiloServer.start(engine.uri, { sealerOf: async () => {
      await server.silos.destroy(tenant, home);
      return clearRows;
    } });
    await expect(sleeper.silos.open(home)).rejects.toMatchObject({ code: "CONFLICT" });
    expect(await tracesOf(engine.root, server.control, tenant)).toEqual([]);
    await sleeper.close();
  });
});

describe("opening a silo that is destroyed meanwhile", () => {
  test("before the login, by a server that has its password already, brings no user back", async () => {
    await server.silos.prepare(tenant, home);
    const sleeper = await SiloServer.start(engine.uri);
    vi.spyOn(sleeper.control.vault, "ensure").mockImplementationOnce(async (owner, name) => {
      const secret = await server.control.vault.ensure(owner, name);
      await server.silos.destroy(tenant, home);
      return secret;
    });
    await expect(sleeper.silos.open(home)).rejects.toMatchObject({ code: "CONFLICT" });
    expect(await tracesOf(engine.root, server.control, tenant)).toEqual([]);
    await sleeper.close();
  });
});

describe("destroying a silo", () => {
  test("leaves no database, no user and no secret, and tells what it removed", async () => {
    await server.silos.prepare(tenant, home);
    await expectServed();
    expect(await server.silos.destroy(tenant, home)).toEqual({ database: true, user: true, key: true });
    expect(await tracesOf(engine.root, server.control, tenant)).toEqual([]);
    expect(await server.silos.destroy(tenant, home)).toEqual({ database: false, user: false, key: false });
  });

  test.each<[string, () => Promise<unknown>, object]>([
    ["database", () => engine.root.db(home.database).dropDatabase(), { database: false, user: true, key: true }],
    ["user", () => admin().command({ dropUser: home.database }), { database: true, user: false, key: true }],
    ["key", () => server.control.vault.destroy(tenant, dataKey()), { database: true, user: true, key: false }],
  ])("whose %s is gone already removes the rest", async (_gone, crash, removed) => {
    await server.silos.prepare(tenant, home);
    await crash();
    expect(await server.silos.destroy(tenant, home)).toEqual(removed);
    expect(await tracesOf(engine.root, server.control, tenant)).toEqual([]);
  });

  test("cuts off whoever is logged in, and nobody can prepare or open it again", async () => {
    await server.silos.prepare(tenant, home);
    const opened = await server.silos.open(home);
    await server.silos.destroy(tenant, home);
    await expect(opened.database.db.collection("documents").findOne()).rejects.toThrow();
    await expect(server.silos.prepare(tenant, home)).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(server.silos.open(home)).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE" });
    expect(await tracesOf(engine.root, server.control, tenant)).toEqual([]);
    await closeClientOf(opened);
  });

  test("touches no other silo of the tenant", async () => {
    await server.silos.prepare(tenant, home);
    const later = await server.silos.place(tenant, 4);
    await server.silos.prepare(tenant, later);
    await server.silos.destroy(tenant, later);
    expect(await tracesOf(engine.root, server.control, tenant)).toEqual(whole(tenant));
    await expectServed();
  });
});

describe("the isolation of a silo", () => {
  test("is told with the version of the key that new rows are sealed with", async () => {
    await server.silos.prepare(tenant, home);
    expect(await server.silos.isolation(tenant, home)).toEqual({ credential: "OWN", keyVersion: 1 });
    await server.control.vault.rotate(tenant, dataKey());
    expect(await server.silos.isolation(tenant, home)).toEqual({ credential: "OWN", keyVersion: 2 });
  });
});

describe("where users cannot be made", () => {
  test("an engine that asks nobody is told as shared, although it would make users", async () => {
    const open = await startGuardedEngine({ guarded: false });
    const shared = await SiloServer.start(open.uri, { login: undefined });
    await shared.silos.prepare(tenant, home);
    expect(await shared.silos.isolation(tenant, home)).toEqual({ credential: "SHARED", keyVersion: 1 });
    expect(shared.telemetry.logs.filter(({ level, message }) => level === "warn" && message.includes("share one database credential, since it does not enforce access control"))).toHaveLength(1);
    expect(await tracesOf(open.root, shared.control, tenant)).toEqual([`database ${home.database}`, `secret ${dataKey()}`]);
    expect(await shared.silos.destroy(tenant, home)).toEqual({ database: true, user: false, key: true });
    expect(await tracesOf(open.root, shared.control, tenant)).toEqual([]);
    await shared.close();
    await open.close();
  });

  test("a credential that makes no users is told as shared; once it may, silos get users when next opened", async () => {
    const login = { username: "limited", password: "limited-password" };
    const roles = ["readWriteAnyDatabase", "dbAdminAnyDatabase"];
    await admin().command({ createUser: login.username, pwd: login.password, roles });
    const limited = await SiloServer.start(engine.uri, { login });
    await limited.silos.prepare(tenant, home);
    expect((await limited.silos.isolation(tenant, home)).credential).toBe("SHARED");
    expect(limited.telemetry.logs.some(({ message }) => message.includes("its credential may not make users"))).toBe(true);
    expect(JSON.stringify(limited.telemetry.logs)).not.toContain(login.password);
    await limited.close();

    await admin().command({ updateUser: login.username, roles: [...roles, "userAdminAnyDatabase"] });
    const raised = await SiloServer.start(engine.uri, { login });
    const opened = await raised.silos.open(home);
    expect((await raised.silos.isolation(tenant, home)).credential).toBe("OWN");
    await expect(opened.database.client.db(`${prefix}_control`).collection("tenants").findOne()).rejects.toMatchObject({ code: 13 });
    await closeClientOf(opened);
    await raised.close();
  });

  test("a wrong given credential is an error of the start, without the password", async () => {
    const failed: unknown = await SiloServer.start(engine.uri, { login: { ...rootLogin, password: "not-the-password" } }).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(Error);
    expect(String(failed) + JSON.stringify(failed)).not.toContain("not-the-password");
  });
});
