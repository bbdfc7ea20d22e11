import { MongoClient } from "mongodb";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { randomBytes } from "node:crypto";
import type { TenantContext } from "../../src/tenancy/tenant-context.js";
import { openFence } from "../../src/storage/fence.js";
import type { TenantHome } from "../../src/storage/home.js";
import { startTestDeployment, type TestDeployment } from "../support/engine.js";
import { newChunk, newDocument, openTestHome, openTestStore, testEmbedding } from "../support/homes.js";
import { contextOf, policies } from "../support/tenants.js";

const caps = policies.PRO;
let deployment: TestDeployment;
let home: TenantHome;
let other: TenantHome;
/** Counts what goes over the wire. */
let watched: MongoClient;

beforeAll(async () => {
  deployment = await startTestDeployment();
  watched = new MongoClient(deployment.uri, { monitorCommands: true });
  home = await openTestHome(deployment, { suffix: "lane", serverId: "server-1", client: watched });
  other = await openTestHome(deployment, { suffix: "lane", serverId: "server-2" });
});
afterAll(async () => {
  await watched.close();
  await deployment.close();
});

function freshTenant(): TenantContext {
  return contextOf(`t${randomBytes(6).toString("hex")}`);
}

function fulfilled(outcomes: readonly PromiseSettledResult<unknown>[]): number {
  return outcomes.filter((outcome) => outcome.status === "fulfilled").length;
}

describe("concurrent writes of one tenant", () => {
  it("never pass the cap of documents, on two servers at once", async () => {
    const context = freshTenant();
    const stores = [await openTestStore(home, context), other.store(context, 1)];
    const limits = { maxDocuments: 10, maxBytes: 1_000_000 };
    const outcomes = await Promise.allSettled(Array.from({ length: 50 }, (_, n) => stores[n % 2]?.documents.add(newDocument(), limits)));
    expect(fulfilled(outcomes)).toBe(10);
    for (const outcome of outcomes) if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ code: "LIMIT_EXCEEDED" });
    expect(await stores[0]?.documents.totals()).toMatchObject({ documents: 10 });
    expect((await stores[0]?.documents.page({ first: 100 }, {}))?.items).toHaveLength(10);
  });

  it("never pass the cap of bytes", async () => {
    const context = freshTenant();
    const store = await openTestStore(home, context);
    const outcomes = await Promise.allSettled(Array.from({ length: 50 }, () => store.documents.add(newDocument({ raw: Buffer.alloc(30) }), { maxDocuments: 100, maxBytes: 200 })));
    expect(fulfilled(outcomes)).toBe(6);
    expect(await store.documents.totals()).toMatchObject({ documents: 6, bytes: 180 });
  });

  it("never pass the cap of chunks", async () => {
    const context = freshTenant();
    const store = await openTestStore(home, context);
    const documents = await Promise.all(Array.from({ length: 12 }, () => store.documents.add(newDocument(), caps)));
    const outcomes = await Promise.allSettled(documents.map(({ id }) => store.documents.publish(id, [newChunk(0, [1, 0, 0, 0]), newChunk(1, [0, 1, 0, 0])], testEmbedding, { maxChunks: 9 })));
    expect(fulfilled(outcomes)).toBe(4);
    expect(await store.documents.totals()).toMatchObject({ chunks: 8 });
    expect(await store.chunks.termFrequencies(["passag"])).toEqual(new Map([["passag", 8]]));
  });

  it("share transactions instead of conflicting", async () => {
    const context = freshTenant();
    const talk = (await openTestStore(home, context)).conversationsOf(context.userId);
    await talk.start("first");
    const commits = { commitTransaction: 0, abortTransaction: 0 };
    const count = ({ commandName }: { commandName: string }): void => {
      if (commandName === "commitTransaction" || commandName === "abortTransaction") commits[commandName] += 1;
    };
    watched.on("commandStarted", count);
    await Promise.all(Array.from({ length: 64 }, (_, n) => talk.start(String(n))));
    watched.off("commandStarted", count);
    expect(commits.abortTransaction).toBe(0);
    expect(commits.commitTransaction).toBeLessThanOrEqual(2);
    expect((await talk.page({ first: 100 })).items).toHaveLength(65);
  });

  it("fail alone: the neighbours of a write that is refused are written", async () => {
    const context = freshTenant();
    const store = await openTestStore(home, context);
    const taken = await store.documents.add(newDocument(), caps);
    const outcomes = await Promise.allSettled([
      store.documents.add(newDocument(), caps),
      store.documents.add(newDocument({ id: taken.id }), caps),
      store.documents.publish(newDocument().id, [], testEmbedding, caps),
      store.documents.add(newDocument(), caps),
    ]);
    expect(outcomes.map((outcome) => (outcome.status === "fulfilled" ? "WRITTEN" : (outcome.reason as { code: string }).code))).toEqual(["WRITTEN", "CONFLICT", "NOT_FOUND", "WRITTEN"]);
    expect(await store.documents.totals()).toMatchObject({ documents: 3 });
  });

  it("have a number each, which all rows of the write carry, and a removal leaves its word", async () => {
    const context = freshTenant();
    const store = await openTestStore(home, context);
    const added = await Promise.all(Array.from({ length: 9 }, () => store.documents.add(newDocument(), caps)));
    const { db } = home.database;
    const rows = await db.collection("documents").find({ tenant_id: context.tenantId }).toArray();
    expect(new Set(rows.map((row) => `${row["stripe"]}/${row["seq"]}`)).size).toBe(9);
    for (const row of rows) expect(await db.collection("raw_documents").countDocuments({ _id: row._id, stripe: row["stripe"], seq: row["seq"] })).toBe(1);
    const id = added[0]?.id ?? newDocument().id;
    await store.documents.publish(id, [newChunk(0, [1, 0, 0, 0])], testEmbedding, caps);
    await store.documents.remove(id);
    const buried = await db.collection("tombstones").find({ tenant_id: context.tenantId }).toArray();
    expect(buried.map((row) => [row["collection"], row["field"], row["value"]]).toSorted()).toEqual([
      ["chunks", "document_id", id],
      ["documents", "_id", `${context.tenantId}/${id}`],
      ["raw_documents", "_id", `${context.tenantId}/${id}`],
    ]);
    expect(new Set(buried.map((row) => row["seq"])).size).toBe(1);
  });

  it("leave nothing of a version that could not be published whole", async () => {
    const context = freshTenant();
    const store = await openTestStore(home, context);
    const { id } = await store.documents.add(newDocument(), caps);
    const old = newChunk(0, [1, 0, 0, 0]);
    await store.documents.publish(id, [old], testEmbedding, caps);
    const fresh = newChunk(0, [0, 1, 0, 0]);
    // The second chunk takes an id that is in use within the version: the insert fails half way.
    await expect(store.documents.publish(id, [fresh, { ...newChunk(1, [0, 1, 0, 0]), id: fresh.id }], testEmbedding, caps)).rejects.toMatchObject({ code: "CONFLICT" });
    expect(await store.documents.get(id)).toMatchObject({ version: 1, chunkCount: 1 });
    expect((await store.chunks.getMany([old.id, fresh.id])).map((row) => row?.id)).toEqual([old.id, undefined]);
  });

  it("are all answered before a home counts as closed", async () => {
    const context = freshTenant();
    await openFence(home.database, context.tenantId, 1);
    const talk = home.store(context, 1).conversationsOf(context.userId);
    let answered = 0;
    for (let n = 0; n < 100; n += 1) void talk.start(String(n)).then(() => (answered += 1));
    await home.close();
    expect(answered).toBe(100);
  });
});
