import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TenantCheck } from "../../src/storage/belongs-to-tenant.js";
import { TenantHome } from "../../src/storage/home.js";
import type { SearchFilter } from "../../src/storage/narrowing-filter.js";
import type { Scope } from "../../src/storage/scope.js";
import type { ConversationRow, DocumentRow, NewChunk, TenantStore } from "../../src/storage/tenant-store.js";
import { newId, type DocumentId } from "../../src/kernel/ids.js";
import type { TenantContext } from "../../src/tenancy/tenant-context.js";
import { startTestDeployment, type TestDeployment } from "../support/engine.js";
import { homeOptions, newChunk, newDocument, openTestHome, openTestStore, testEmbedding, untilSearchable } from "../support/homes.js";
import { contextOf, policies, recordingTelemetry } from "../support/tenants.js";

const caps = policies.PRO;
const east = Float32Array.of(1, 0, 0, 0);
/** Names that a careless prefix or a careless pattern would take for each other. */
const mine = contextOf("acme");
const theirs = contextOf("acme-2");

let deployment: TestDeployment;
let store: TenantStore;
let foreign: { store: TenantStore; document: DocumentRow; chunk: NewChunk; conversation: ConversationRow };

beforeAll(async () => {
  deployment = await startTestDeployment();
  const home = await openTestHome(deployment, { suffix: "pool" });
  store = await openTestStore(home, mine);
  foreign = await fill(await openTestStore(home, theirs), theirs);
});
afterAll(() => deployment.close());

async function fill(into: TenantStore, context: TenantContext): Promise<typeof foreign> {
  const { id } = await into.documents.add(newDocument({ title: "Their secret", tags: ["x"] }), caps);
  const chunk = newChunk(0, [1, 0, 0, 0], { text: "Their secret passage", terms: ["secret"], termCounts: [1] });
  const document = await into.documents.publish(id, [chunk], testEmbedding, caps);
  const talk = into.conversationsOf(context.userId);
  const conversation = await talk.start("Their talk");
  await talk.append(conversation.id, { question: "q", answer: "a" });
  await untilSearchable(into, id, 1);
  return { store: into, document, chunk, conversation };
}

describe("a tenant that knows another's ids", () => {
  it("reads nothing by them", async () => {
    const { document, chunk, conversation } = foreign;
    // The same user id, in another tenant.
    const talk = store.conversationsOf(theirs.userId);
    expect(await store.documents.get(document.id)).toBeUndefined();
    expect(await store.documents.getMany([document.id])).toEqual([undefined]);
    expect(await store.documents.raw(document.id)).toBeUndefined();
    expect((await store.documents.page({ first: 10 }, {})).items).toEqual([]);
    expect(await store.documents.unfinished(10)).toEqual([]);
    expect(await store.chunks.getMany([chunk.id])).toEqual([undefined]);
    expect(await store.chunks.passage(chunk.id)).toBeUndefined();
    expect(await store.chunks.nearest(east, 10, { documentIds: [document.id] })).toEqual([]);
    expect(await store.chunks.nearest(east, 10, {})).toEqual([]);
    expect(await store.chunks.withAnyTerm(["secret"], 10, {})).toEqual([]);
    expect(await store.chunks.termFrequencies(["secret"])).toEqual(new Map([["secret", 0]]));
    expect(await store.chunks.isSearchable(document.id, 1)).toBe(false);
    expect(await talk.get(conversation.id)).toBeUndefined();
    expect(await talk.latest(conversation.id, 5)).toEqual([]);
    expect((await talk.page({ first: 10 })).items).toEqual([]);
    expect((await talk.messages(conversation.id, { first: 10 })).items).toEqual([]);
  });

  it("changes nothing by them and is told the same as for an id that does not exist", async () => {
    const missing = newId<DocumentId>("document");
    const told = (id: DocumentId): Promise<readonly string[]> =>
      Promise.all([
        store.documents.remove(id).then(String),
        store.documents.markReady(id, 1).then(String),
        store.documents.markFailed(id, { code: "INTERNAL", message: "x" }).then(String),
        store.documents.retry(id).catch(String),
        store.documents.publish(id, [], testEmbedding, caps).catch(String),
        store.conversationsOf(theirs.userId).append(foreign.conversation.id, { question: "x", answer: "y" }).catch(String),
        store.conversationsOf(theirs.userId).clear(foreign.conversation.id).then(String),
      ] as Promise<string>[]);
    expect(await told(foreign.document.id)).toEqual(await told(missing));
    expect(await foreign.store.documents.get(foreign.document.id)).toEqual(foreign.document);
    expect(await foreign.store.conversationsOf(theirs.userId).latest(foreign.conversation.id, 5)).toHaveLength(1);
  });

  it("can hold the same id itself, and neither sees the other's object", async () => {
    const own = await store.documents.add(newDocument({ id: foreign.document.id, title: "Mine" }), caps);
    expect((await store.documents.get(own.id))?.title).toBe("Mine");
    expect((await foreign.store.documents.get(own.id))?.title).toBe("Their secret");
    expect(await store.documents.remove(own.id)).toBe(true);
    expect((await foreign.store.documents.get(own.id))?.title).toBe("Their secret");
  });

  it("may even hold a conversation of the same id and the same user: turns, summary and clearing stay each one's own (A10)", async () => {
    const { id } = foreign.conversation;
    const db = deployment.client.db(deployment.database("pool"));
    const theirRow = await db.collection<{ _id: string }>("conversations").findOne({ _id: `acme-2/${id}` });
    await db.collection<{ _id: string }>("conversations").insertOne({ ...theirRow, _id: `acme/${id}`, tenant_id: "acme", title: "Mine", turns: 0 } as { _id: string });
    const [ours, other] = [store.conversationsOf(theirs.userId), foreign.store.conversationsOf(theirs.userId)];
    const before = await other.get(id);
    const turns = await other.latest(id, 5);
    await ours.append(id, { question: "my question", answer: "my answer" });
    expect(await ours.summarise(id, 0, { text: "my summary", turns: 1 })).toBe(true);
    expect(await ours.get(id)).toMatchObject({ title: "Mine", summary: { text: "my summary" } });
    expect((await ours.latest(id, 5)).map(({ question }) => question)).toEqual(["my question"]);
    expect([await other.get(id), await other.latest(id, 5)]).toEqual([before, turns]);
    expect(await ours.clear(id)).toBe(true);
    expect([await other.get(id), await other.latest(id, 5)]).toEqual([before, turns]);
  });

  it("gets nothing by a cursor out of the other's list", async () => {
    await foreign.store.documents.add(newDocument(), caps);
    const page = await foreign.store.documents.page({ first: 1 }, {});
    const cursor = page.items[0]?.cursor ?? "";
    expect(Buffer.from(cursor, "base64url").toString()).not.toContain("acme");
    expect((await store.documents.page({ first: 10, after: cursor }, {})).items).toEqual([]);
  });
});

describe("hostile values that got past every parser", () => {
  const hostile: readonly unknown[] = [
    { tenant_id: "acme-2" },
    { documentIds: { $ne: "" } },
    { documentIds: [{ $ne: "" }] },
    { documentIds: [{ $exists: true }] },
    { tags: [{ $ne: "" }] },
    { tags: ["x"], mediaTypes: { $nin: [] } },
    { $or: [{}] },
    JSON.parse('{"__proto__":{"tenant_id":"acme-2"}}'),
    { titleContains: { $regex: "" }, states: { $exists: true } },
  ];

  it.each(hostile.map((filter) => [JSON.stringify(filter), filter as SearchFilter]))("select nothing of another tenant: %s", async (_, filter) => {
    const reads = await Promise.allSettled<readonly unknown[]>([
      store.chunks.nearest(east, 10, filter),
      store.chunks.withAnyTerm(["secret"], 10, filter),
      store.documents.page({ first: 10 }, filter).then((page) => page.items),
    ]);
    for (const read of reads) {
      if (read.status === "fulfilled") expect(read.value).toEqual([]);
      else expect(read.reason).toMatchObject({ name: expect.stringMatching(/^(BulkheadError|TypeError)$/) as unknown });
    }
  });

  it.each([[{ $ne: "" }], [{ $gt: "" }], [["acme-2"]]])("are no id: %j", async (id) => {
    expect(await store.documents.get(id as unknown as DocumentId)).toBeUndefined();
    expect(await store.documents.remove(id as unknown as DocumentId)).toBe(false);
  });

  it("cannot put a row into another tenant by a field of the row", async () => {
    const document = { ...newDocument(), tenant_id: "acme-2", tenantId: "acme-2", _id: "acme-2/x" };
    const added = await store.documents.add(document, caps);
    expect(added.tenantId).toBe("acme");
    expect(await foreign.store.documents.get(document.id)).toBeUndefined();
    await store.documents.remove(document.id);
  });
});

/** A home whose first wall is down: the scope adds no tenant and makes the other tenant's keys. */
class BreachedHome extends TenantHome {
  breached(context: TenantContext): TenantStore {
    const scope: Scope = {
      tenantId: context.tenantId,
      home: "POOL",
      vectorEffort: () => ({ exact: true }),
      filter: (narrowing) => ({ ...narrowing }),
      key: (id) => `${theirs.tenantId}/${id}`,
      id: (key) => key,
    };
    return this.storeIn(scope, context, 1);
  }
}

describe("with the first wall taken down", () => {
  const telemetry = recordingTelemetry();
  let breached: TenantStore;

  beforeAll(async () => {
    const options = homeOptions(deployment, { suffix: "pool", telemetry, serverId: "breached" });
    breached = new BreachedHome(options, deployment.client.db(options.database)).breached(mine);
    // A whole store of the same server makes the stripe, so that the breached one gets as far as the rows.
    await (await openTestHome(deployment, { suffix: "pool", serverId: "breached" })).store(mine, 1).documents.markReady(newDocument().id, 1);
  });

  const reads: readonly [string, () => Promise<unknown>][] = [
    ["documents.get", () => breached.documents.get(foreign.document.id)],
    ["documents.getMany", () => breached.documents.getMany([foreign.document.id])],
    ["documents.page", () => breached.documents.page({ first: 10 }, {})],
    ["documents.unfinished", () => breached.documents.unfinished(10)],
    ["documents.raw", () => breached.documents.raw(foreign.document.id)],
    ["documents.totals", () => breached.documents.totals()],
    ["chunks.nearest", () => breached.chunks.nearest(east, 10, {})],
    ["chunks.withAnyTerm", () => breached.chunks.withAnyTerm(["secret"], 10, {})],
    ["chunks.getMany", () => breached.chunks.getMany([foreign.chunk.id])],
    ["chunks.passage", () => breached.chunks.passage(foreign.chunk.id)],
    ["chunks.statistics", () => breached.chunks.statistics()],
    ["chunks.isSearchable", () => breached.chunks.isSearchable(foreign.document.id, 1)],
    ["conversations.get", () => breached.conversationsOf(theirs.userId).get(foreign.conversation.id)],
    ["conversations.getMany", () => breached.conversationsOf(theirs.userId).getMany([foreign.conversation.id])],
    ["conversations.page", () => breached.conversationsOf(theirs.userId).page({ first: 10 })],
    ["conversations.latest", () => breached.conversationsOf(theirs.userId).latest(foreign.conversation.id, 5)],
    ["conversations.messages", () => breached.conversationsOf(theirs.userId).messages(foreign.conversation.id, { first: 5 })],
  ];

  it.each(reads)("the second wall withholds what %s read, and raises the alarm", async (_, read) => {
    telemetry.alarms.length = 0;
    await expect(read()).rejects.toMatchObject({ code: "INTERNAL", message: "A row of another tenant was read and withheld" });
    expect(telemetry.alarms).toContainEqual({ name: "tenant_mismatch", fields: expect.objectContaining({ wall: "storage", expected: "acme", got: "acme-2" }) as unknown });
  });

  const writes: readonly [string, () => Promise<unknown>][] = [
    ["documents.remove", () => breached.documents.remove(foreign.document.id)],
    ["documents.markReady", () => breached.documents.markReady(foreign.document.id, 1)],
    ["documents.publish", () => breached.documents.publish(foreign.document.id, [], testEmbedding, caps)],
    ["conversations.append", () => breached.conversationsOf(theirs.userId).append(foreign.conversation.id, { question: "x", answer: "y" })],
    ["conversations.summarise", () => breached.conversationsOf(theirs.userId).summarise(foreign.conversation.id, 0, { text: "x", turns: 1 })],
    ["conversations.clear", () => breached.conversationsOf(theirs.userId).clear(foreign.conversation.id)],
  ];

  it.each(writes)("%s takes back what it changed of another tenant", async (_, write) => {
    await expect(write()).rejects.toMatchObject({ code: "INTERNAL" });
    expect(await foreign.store.documents.get(foreign.document.id)).toEqual(foreign.document);
    expect(await foreign.store.conversationsOf(theirs.userId).latest(foreign.conversation.id, 5)).toHaveLength(1);
  });
});

describe("the walls themselves", () => {
  it("refuse a row whose key and tenant do not agree", () => {
    const check = new TenantCheck(mine.tenantId, recordingTelemetry());
    expect(check.row({ _id: "acme/x", tenant_id: "acme" }, "c")).toEqual({ _id: "acme/x", tenant_id: "acme" });
    for (const row of [{ _id: "acme-2/x", tenant_id: "acme" }, { _id: "acme/x", tenant_id: "acme-2" }, { _id: "x", tenant_id: "" }]) {
      expect(() => check.row(row, "c")).toThrow("withheld");
    }
    expect(() => check.rows([{ _id: "acme/x", tenant_id: "acme" }, { _id: "b/x", tenant_id: "b" }], "c")).toThrow("withheld");
  });

  it("keep every tenant but its owner out of a silo", async () => {
    const telemetry = recordingTelemetry();
    const silo = await openTestHome(deployment, { suffix: "silo", owner: "acme", telemetry });
    expect(() => silo.store(theirs, 1)).toThrow("does not own it");
    expect(telemetry.alarms).toEqual([{ name: "tenant_mismatch", fields: { wall: "silo", expected: "acme", got: "acme-2" } }]);
    expect(silo.store(mine, 1).home).toBe("SILO");
  });
});
