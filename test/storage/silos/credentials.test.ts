import { MongoClient, MongoServerError } from "mongodb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TenantHome } from "../../../src/storage/home.js";
import { newChunk, newDocument, openTestStore, testEmbedding } from "../../support/homes.js";
import { prefix, SiloServer, startGuardedEngine, type GuardedEngine } from "../../support/silo-fixture.js";
import { contextOf, policies } from "../../support/tenants.js";

const unauthorized = 13;
let engine: GuardedEngine;
let server: SiloServer;
const homes = new Map<string, TenantHome>();

beforeAll(async () => {
  engine = await startGuardedEngine();
  server = await SiloServer.start(engine.uri);
  homes.set("pool", await server.pool());
  homes.set("acme_2", await server.silo("acme"));
  homes.set("globex_2", await server.silo("globex"));
});
afterAll(async () => {
  await server.close();
  await engine.close();
});

const names = ["pool", "acme_2", "globex_2"];
const places = [...names, "control"];
const foreign = names.flatMap((from) => places.filter((to) => to !== from).map((to) => ({ from, to })));

const attempts: Readonly<Record<string, (client: MongoClient, database: string) => Promise<unknown>>> = {
  find: (client, database) => client.db(database).collection("documents").findOne(),
  aggregate: (client, database) => client.db(database).collection("chunks").aggregate([{ $match: {} }]).toArray(),
  insert: (client, database) => client.db(database).collection("documents").insertOne({ title: "mine" }),
  update: (client, database) => client.db(database).collection("documents").updateMany({}, { $set: { title: "mine" } }),
  delete: (client, database) => client.db(database).collection("documents").deleteMany({}),
  list: (client, database) => client.db(database).listCollections().toArray(),
  drop: (client, database) => client.db(database).dropDatabase(),
  createUser: (client, database) => client.db(database).command({ createUser: "intruder", pwd: "intruder", roles: ["readWrite"] }),
};

describe("the credential of a home", () => {
  test.each(foreign)("of $from opens nothing of $to", async ({ from, to }) => {
    const client = homes.get(from)?.database.client ?? new MongoClient("mongodb://nowhere");
    for (const [what, attempt] of Object.entries(attempts)) {
      const refusal: unknown = await attempt(client, `${prefix}_${to}`).then(() => undefined, (error: unknown) => error);
      expect(refusal, what).toBeInstanceOf(MongoServerError);
      expect((refusal as MongoServerError).code, what).toBe(unauthorized);
    }
  });

  test.each(names)("of %s is no administrator's: it changes no validator, drops no database and makes no user", async (name) => {
    const db = homes.get(name)?.database.db;
    await expect(db?.command({ collMod: "documents", validator: {} })).rejects.toMatchObject({ code: unauthorized });
    await expect(db?.dropDatabase()).rejects.toMatchObject({ code: unauthorized });
    await expect(db?.client.db("admin").command({ createUser: "x", pwd: "x", roles: ["root"] })).rejects.toMatchObject({ code: unauthorized });
    await expect(db?.client.db("admin").command({ usersInfo: 1 })).rejects.toMatchObject({ code: unauthorized });
    await expect(db?.client.db("admin").command({ connectionStatus: 1 })).resolves.toMatchObject({ authInfo: { authenticatedUserRoles: [{ role: "readWrite", db: db?.databaseName }] } });
  });

  test.each([["pool", 1], ["acme_2", 2]])("of %s serves its own tenant: documents, vectors, words, conversations", async (name, epoch) => {
    const home = homes.get(name);
    const context = contextOf("acme", { epoch });
    const store = await openTestStore(home as TenantHome, context);
    const { id } = await store.documents.add(newDocument({ raw: Buffer.from("The whole text") }), policies.PRO);
    await store.documents.publish(id, [newChunk(0, [1, 0, 0, 0], { terms: ["alpha"], termCounts: [1] })], testEmbedding, policies.PRO);
    expect(await store.chunks.nearest(Float32Array.of(1, 0, 0, 0), 5, {})).toHaveLength(1);
    expect(await store.chunks.withAnyTerm(["alpha"], 5, {})).toHaveLength(1);
    const conversation = await store.conversationsOf(context.userId).start("Talk");
    await store.conversationsOf(context.userId).append(conversation.id, { question: "q", answer: "a" });
    expect(Buffer.from((await store.documents.raw(id)) ?? []).toString()).toBe("The whole text");
  });

  test("is not the one that was given, and no password is in any log line", async () => {
    const passwords = await Promise.all((["_platform", "acme", "globex"] as const).map(async (owner) => {
      const name = owner === "_platform" ? "pool-password" : `silo-password:${prefix}_${owner}_2`;
      const secret = await server.control.vault.find(owner as "_platform", name);
      return secret?.versions.at(-1)?.key.toString("base64url") ?? "";
    }));
    expect(passwords.every((password) => password.length === 43)).toBe(true);
    const logs = JSON.stringify(server.telemetry.logs);
    for (const password of passwords) expect(logs).not.toContain(password);
    expect(server.telemetry.logs.filter(({ message }) => message.includes("database user of its own"))).toHaveLength(1);
  });

  test("a stranger who reaches the socket is served nothing", async () => {
    const stranger = await new MongoClient(engine.uri).connect();
    try {
      for (const place of places) await expect(stranger.db(`${prefix}_${place}`).collection("documents").findOne()).rejects.toMatchObject({ code: unauthorized });
    } finally {
      await stranger.close();
    }
  });
});
