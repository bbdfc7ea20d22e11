import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newId, type AdapterId } from "../../src/kernel/ids.js";
import { openHome, type TenantHome } from "../../src/storage/home.js";
import type { TenantStore } from "../../src/storage/tenant-store.js";
import { countPieces, pieceBytesMax, weightsPieces } from "../../src/storage/weights-pieces.js";
import { importWeights, teach } from "../support/adapters.js";
import { startTestDeployment, type TestDeployment } from "../support/engine.js";
import { homeOptions, newDocument, openTestHome, openTestStore } from "../support/homes.js";
import { openSealedSilo, openTestVault } from "../support/sealed-silo.js";
import { contextOf } from "../support/tenants.js";

const acme = contextOf("acme");
const globex = contextOf("globex");
const colleague = contextOf("acme", { user: "colleague" });

let deployment: TestDeployment;
let pool: TenantHome;
let silo: TenantHome;
beforeAll(async () => {
  deployment = await startTestDeployment();
  pool = await openTestHome(deployment, { suffix: "pool" });
  silo = await openSealedSilo(deployment, { suffix: "silo", owner: "acme", vault: await openTestVault(deployment) });
});
afterAll(() => deployment.close());

const count = (home: TenantHome, collection: string, filter: object): Promise<number> => home.database.db.collection(collection).countDocuments(filter);
const messageIds = async (store: TenantStore, userId = acme.userId): Promise<readonly string[]> => {
  const conversation = await store.conversationsOf(userId).start("talk");
  await store.conversationsOf(userId).append(conversation.id, { question: "q", answer: "a" });
  return (await store.conversationsOf(userId).latest(conversation.id, 1)).map(({ id }) => id);
};

describe.each(["pool", "sealed silo"])("in a %s", (kind) => {
  let home: TenantHome;
  let store: TenantStore;
  beforeAll(async () => {
    home = kind === "pool" ? pool : silo;
    store = await openTestStore(home, acme);
  });

  test("feedback is on a message of one's own, is replaced by what is said later, and is cleared with its conversation", async () => {
    const talk = store.conversationsOf(acme.userId);
    const conversation = await talk.start("talk");
    await talk.append(conversation.id, { question: "q", answer: "a" });
    const id = (await talk.latest(conversation.id, 1))[0]?.id ?? "";
    expect(await store.feedbackOf(colleague.userId).give(id, { rating: "BAD" })).toBe(false);
    expect(await store.feedbackOf(acme.userId).give(id, { rating: "GOOD" })).toBe(true);
    expect(await store.feedbackOf(acme.userId).give(id, { rating: "BAD", correction: "b" })).toBe(true);
    expect(await store.feedbackOf(acme.userId).of(id)).toMatchObject({ rating: "BAD", correction: "b" });
    expect(await store.feedbackOf(colleague.userId).of(id)).toBeUndefined();
    await talk.clear(conversation.id);
    expect(await count(home, "feedback", { conversation_id: conversation.id })).toBe(0);
    expect(await store.feedbackOf(acme.userId).give(id, { rating: "GOOD" })).toBe(false);
  });

  test("training rows are good answers and corrected ones, of every user of the tenant", async () => {
    await teach(store, acme.userId, [{ question: "q1", answer: "a1" }]);
    await teach(store, colleague.userId, [{ question: "q2", answer: "a2" }]);
    const [bad, corrected] = [(await messageIds(store))[0] ?? "", (await messageIds(store))[0] ?? ""];
    await store.feedbackOf(acme.userId).give(bad, { rating: "BAD" });
    await store.feedbackOf(acme.userId).give(corrected, { rating: "BAD", correction: "better" });
    const rows = await store.adapters.trainingRows(100, 1_000);
    expect(rows).toEqual([{ tenantId: "acme", question: "q", answer: "better" }, { tenantId: "acme", question: "q2", answer: "a2" }, { tenantId: "acme", question: "q1", answer: "a1" }]);
    expect(await store.adapters.trainingRows(1, 1_000)).toHaveLength(1);
    expect(await store.adapters.trainingRows(2, 1_000)).toEqual(rows.slice(0, 2));
  });

  test("one at a time is trained, by one owner at a time, and what another writes is refused", async () => {
    const id = newId<AdapterId>("adapter");
    await store.adapters.add({ id, name: "ours", baseModel: "base" }, {});
    await expect(store.adapters.add({ id: newId<AdapterId>("adapter"), name: "second", baseModel: "base" }, {})).rejects.toMatchObject({ code: "CONFLICT" });
    expect(await store.adapters.claim(id, "one", 60_000)).toMatchObject({ kind: "CLAIMED", work: { state: "PREPARING" } });
    expect(await store.adapters.claim(id, "two", 60_000)).toMatchObject({ kind: "BUSY" });
    expect(await store.adapters.setManifest(id, "two", [], 0)).toBe(false);
    expect(await store.adapters.setManifest(id, "one", ["0".repeat(64)], 300)).toBe(true);
    expect(await store.adapters.progress(id, "two", { state: "READY" })).toBe(false);
    expect(await store.adapters.progress(id, "one", { trainingFile: "file-1" })).toBe(true);
    expect(await store.adapters.claim(id, "one", 60_000)).toMatchObject({ work: { state: "UPLOADING", manifest: ["0".repeat(64)], tokensMax: 300, trainingFile: "file-1" } });
    expect(await store.adapters.get(id)).toMatchObject({ name: "ours", examples: 1, state: "UPLOADING" });
    expect(await store.adapters.remove(id)).toMatchObject({ trainingFile: "file-1" });
    // Deleted for everyone, and what the one at work on it still writes is refused.
    expect(await store.adapters.get(id)).toBeUndefined();
    expect((await store.adapters.page({ first: 10 })).items.map(({ item }) => item.id)).not.toContain(id);
    expect(await store.adapters.progress(id, "one", { state: "READY" })).toBe(false);
    await expect(store.adapters.remove(id)).rejects.toMatchObject({ code: "NOT_FOUND" });
    expect(await store.adapters.unfinished()).toContain(id);
    await store.adapters.forget(id);
    expect(await store.adapters.unfinished()).not.toContain(id);
  });

  test("weights come back as they were, compressed in pieces below 4 MiB; altered or incomplete they do not", async () => {
    const file = Buffer.concat([Buffer.alloc(pieceBytesMax), Buffer.from("the rest")]);
    const row = await importWeights(store, file);
    expect(row).toMatchObject({ state: "IMPORTED", weights: { bytes: file.length } });
    expect((await store.adapters.weights.read(row.id)).equals(file)).toBe(true);
    // The worst there is: what does not shrink.
    for await (const { zstd } of weightsPieces(randomBytes(pieceBytesMax))) expect(zstd.length).toBeLessThan(4 * 1_048_576);
    const short = newId<AdapterId>("adapter");
    await store.adapters.weights.begin({ id: short, name: "short", baseModel: "base", bytes: file.length, sha256: "0".repeat(64), pieces: countPieces(file.length) }, { maxBytes: 1e9 });
    await expect(store.adapters.weights.finish(short)).rejects.toMatchObject({ code: "CONFLICT" });
    await store.adapters.remove(short);
    await expect(store.adapters.weights.add(short, 0, { bytes: 1, zstd: Buffer.of(0) })).rejects.toMatchObject({ code: "NOT_FOUND" });
    const other = await importWeights(store, Buffer.from("other weights"));
    const [piece] = await home.database.db.collection("adapter_weights").find({ adapter_id: row.id, ordinal: 0 }).toArray();
    if (kind === "pool") {
      // Pieces of another adapter in this one's place.
      await home.database.db.collection("adapter_weights").updateOne({ adapter_id: other.id }, { $set: { zstd: piece?.["zstd"] as never } });
      await expect(store.adapters.weights.read(other.id)).rejects.toMatchObject({ code: "INTERNAL" });
    }
    await store.adapters.remove(row.id);
    expect(await count(home, "adapter_weights", { adapter_id: row.id })).toBe(0);
    await expect(store.adapters.weights.read(row.id)).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

const totalBytes = async (): Promise<unknown> => (await pool.database.db.collection("totals").findOne({ tenant_id: "umbrella" }))?.["bytes"];
const add = (store: TenantStore, caps: Parameters<TenantStore["adapters"]["add"]>[1]) => store.adapters.add({ id: newId<AdapterId>("adapter"), name: "n", baseModel: "m" }, caps);
const trainAndRemove = async (of: TenantStore): Promise<void> => void (await of.adapters.remove((await add(of, { trainingsPerMonth: 2 })).id));

describe("weights", () => {
  test("count with the documents against the tier's bytes, in both directions, and give them back once", async () => {
    const store = await openTestStore(pool, contextOf("umbrella"));
    await store.documents.add(newDocument({ raw: Buffer.alloc(60) }), { maxDocuments: 9, maxBytes: 100 });
    await expect(importWeights(store, Buffer.alloc(41), { maxBytes: 100 })).rejects.toMatchObject({ code: "LIMIT_EXCEEDED", details: { limit: "bytes", got: "101 bytes", expected: "at most 100 in this tier" } });
    const row = await importWeights(store, Buffer.alloc(40), { maxBytes: 100 });
    await expect(store.documents.add(newDocument({ raw: Buffer.alloc(1) }), { maxDocuments: 9, maxBytes: 100 })).rejects.toMatchObject({ code: "LIMIT_EXCEEDED", details: { limit: "bytes" } });
    await store.adapters.remove(row.id);
    expect(await totalBytes()).toBe(60);
    // One that did not come whole gives back what it took when it is given up, and nothing more when it is deleted.
    const cut = newId<AdapterId>("adapter");
    await store.adapters.weights.begin({ id: cut, name: "cut", baseModel: "base", bytes: 40, sha256: "0".repeat(64), pieces: 1 }, { maxBytes: 100 });
    expect(await totalBytes()).toBe(100);
    await store.adapters.weights.giveUp(cut, "import");
    expect(await totalBytes()).toBe(60);
    await store.adapters.remove(cut);
    expect(await totalBytes()).toBe(60);
  });

  test("that came before they were counted give nothing back", async () => {
    const store = await openTestStore(pool, contextOf("umbrella"));
    const row = await importWeights(store, Buffer.alloc(30));
    await pool.database.db.collection("adapters").updateOne({ tenant_id: "umbrella", state: "IMPORTED" }, { $unset: { counted_bytes: "" } });
    await pool.database.db.collection("totals").updateOne({ tenant_id: "umbrella" }, { $inc: { bytes: -30 } });
    await store.adapters.remove(row.id);
    expect(await totalBytes()).toBe(60);
  });
});

describe("trainings", () => {
  test("of one tenant at once are never more than the tier's, however many ask on two servers at the same moment", async () => {
    const context = contextOf("hooli");
    const servers = [await openTestStore(pool, context), await openTestStore(await openTestHome(deployment, { suffix: "pool", serverId: "server-2" }), context)] as const;
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, (_, at) => add(servers[at % 2] as TenantStore, { trainingsAtOnce: 2 })));
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(2);
    expect(await servers[0].adapters.countTraining()).toBe(2);
    const [first] = await servers[0].adapters.unfinished();
    // On its way out: nothing is trained any more, though there is work to do.
    await servers[0].adapters.claim(first as AdapterId, "one", 1_000);
    await servers[0].adapters.setManifest(first as AdapterId, "one", ["0".repeat(64)], 0);
    await servers[0].adapters.remove(first as AdapterId);
    expect(await servers[0].adapters.unfinished()).toContain(first);
    expect(await servers[0].adapters.countTraining()).toBe(1);
    await add(servers[1], { trainingsAtOnce: 2 });
  });

  test("of a month are never more than the tier's, deleted ones counted, and a new month begins anew", async () => {
    const context = contextOf("stark");
    const store = await openTestStore(pool, context);
    await trainAndRemove(store);
    await trainAndRemove(store);
    await expect(trainAndRemove(store)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED", details: { limit: "trainings" } });
    const nextMonth = await openHome({ ...homeOptions(deployment, { suffix: "pool", serverId: "server-3" }), clock: { now: () => Date.now() + 32 * 86_400_000 } });
    await trainAndRemove(nextMonth.store(context, 1));
  });
});

test("what was said in a conversation whose time is over teaches nothing any more, whether it was swept or not", async () => {
  const store = await openTestStore(pool, contextOf("initech"));
  await teach(store, contextOf("initech").userId, [{ question: "q", answer: "a" }]);
  const tenYearsMs = 10 * 365 * 86_400_000;
  const later = await openHome({ ...homeOptions(deployment, { suffix: "pool", serverId: "server-2" }), clock: { now: () => Date.now() + tenYearsMs } });
  expect(await store.adapters.trainingRows(10, 1_000)).toHaveLength(1);
  expect(await later.store(contextOf("initech"), 1).adapters.trainingRows(10, 1_000)).toEqual([]);
});

test("another tenant's adapters, feedback and training rows are as missing as such that never were", async () => {
  const [ours, theirs] = [await openTestStore(pool, acme), await openTestStore(pool, globex)];
  await teach(theirs, globex.userId, [{ question: "globex question", answer: "globex answer" }]);
  const row = await importWeights(theirs, Buffer.from("globex weights"));
  const [message] = await messageIds(theirs, globex.userId);
  expect(await ours.adapters.getMany([row.id])).toEqual([undefined]);
  expect((await ours.adapters.page({ first: 100 })).items.map(({ item }) => item.id)).not.toContain(row.id);
  expect(await ours.adapters.claim(row.id, "one", 1_000)).toEqual({ kind: "DONE" });
  for (const work of [() => ours.adapters.remove(row.id), () => ours.adapters.weights.read(row.id), () => ours.adapters.weights.finish(row.id)]) await expect(work()).rejects.toMatchObject({ code: "NOT_FOUND" });
  expect(await ours.feedbackOf(globex.userId).give(message ?? "", { rating: "GOOD" })).toBe(false);
  expect(JSON.stringify(await ours.adapters.trainingRows(1_000, 1_000_000))).not.toContain("globex");
  expect((await theirs.adapters.weights.read(row.id)).toString()).toBe("globex weights");
});
