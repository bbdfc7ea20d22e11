import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Collection, Document } from "mongodb";
import { engineFixture, errorOf, type EngineFixture } from "./engine-fixture.js";

const definition = {
  fields: [
    { type: "filter", path: "tenant" },
    { type: "filter", path: "kind" },
    { type: "vector", path: "v", numDimensions: 3, similarity: "cosine" },
  ],
};

function searchStage(over: Document = {}): Document {
  const stage = { index: "vs", path: "v", queryVector: [1, 0, 0], limit: 10, numCandidates: 100, filter: { tenant: "a" }, ...over };
  // The driver would send undefined as null, which is not the same as leaving an option out.
  return { $vectorSearch: Object.fromEntries(Object.entries(stage).filter(([, value]) => value !== undefined)) };
}

function search(items: Collection, over: Document = {}): Promise<Document[]> {
  return items.aggregate([searchStage(over), { $project: { score: { $meta: "vectorSearchScore" } } }]).toArray();
}

describe("$vectorSearch", () => {
  let engine: EngineFixture;
  let items: Collection;
  let round = 0;

  beforeAll(async () => {
    engine = await engineFixture();
  });
  afterAll(() => engine.stop());
  beforeEach(async () => {
    round += 1;
    items = engine.client.db("search").collection(`items${round}`);
    await items.insertMany([
      { _id: 1 as never, tenant: "a", kind: "x", v: [1, 0, 0] },
      { _id: 2 as never, tenant: "a", kind: "y", v: [0, 1, 0] },
      { _id: 3 as never, tenant: "b", kind: "x", v: [1, 0, 0] },
    ]);
    await items.createSearchIndex({ name: "vs", type: "vectorSearch", definition });
  });

  it("finds what was there before the index and what came after, by Atlas's score", async () => {
    await items.insertOne({ _id: 4 as never, tenant: "a", kind: "x", v: [-1, 0, 0] });
    expect(await search(items)).toEqual([
      { _id: 1, score: 1 },
      { _id: 2, score: 0.5 },
      { _id: 4, score: 0 },
    ]);
    expect(await search(items, { exact: true, numCandidates: undefined, limit: 1 })).toEqual([{ _id: 1, score: 1 }]);
    expect(await search(items, { filter: { tenant: "a", kind: "y" } })).toEqual([{ _id: 2, score: 0.5 }]);
  });

  it("follows updates, deletes and moves to another tenant", async () => {
    await items.updateOne({ _id: 2 as never }, { $set: { v: [1, 0.1, 0] } });
    await items.updateOne({ _id: 3 as never }, { $set: { tenant: "a" } });
    await items.deleteOne({ _id: 1 as never });
    expect((await search(items)).map((doc) => doc["_id"])).toEqual([3, 2]);
    expect(await search(items, { filter: { tenant: "b" } })).toEqual([]);
  });

  it("sees a transaction's vectors when it commits, and none that it aborts", async () => {
    const session = engine.client.startSession();
    session.startTransaction();
    await items.insertOne({ _id: 5 as never, tenant: "a", v: [1, 0, 0] }, { session });
    expect((await search(items)).map((doc) => doc["_id"])).toEqual([1, 2]);
    await session.commitTransaction();
    expect((await search(items)).map((doc) => doc["_id"])).toEqual([1, 5, 2]);
    session.startTransaction();
    await items.insertOne({ _id: 6 as never, tenant: "a", v: [1, 0, 0] }, { session });
    await session.abortTransaction();
    await session.endSession();
    expect((await search(items)).map((doc) => doc["_id"])).toEqual([1, 5, 2]);
  });

  it("is refused where Atlas refuses it", async () => {
    expect((await errorOf(items.aggregate([{ $match: {} }, searchStage()]).toArray())).code).toBe(40602);
    expect((await errorOf(items.aggregate([searchStage()], { readConcern: { level: "majority" } }).toArray())).code).toBe(72);
    expect((await errorOf(search(items, { numCandidates: undefined }))).message).toMatch(/numCandidates/);
    expect((await errorOf(search(items, { numCandidates: 5 }))).message).toMatch(/limit/);
    expect((await errorOf(search(items, { queryVector: [1] }))).message).toMatch(/3 dimensions/);
    expect((await errorOf(search(items, { filter: { other: 1 } }))).message).toMatch(/other/);
    const session = engine.client.startSession();
    session.startTransaction();
    expect((await errorOf(items.aggregate([searchStage()], { session }).toArray())).code).toBe(263);
    await session.abortTransaction();
    await session.endSession();
  });

  it("finds nothing through an index that does not exist, nor in a collection that does not", async () => {
    expect(await search(items, { index: "nope" })).toEqual([]);
    expect(await search(engine.client.db("search").collection("none"))).toEqual([]);
  });

  it("uses the new definition after an update of the index, and nothing after its drop", async () => {
    const flat = { fields: [{ type: "vector", path: "v", numDimensions: 3, similarity: "euclidean" }] };
    await items.updateSearchIndex("vs", flat);
    expect((await search(items, { filter: undefined })).map((doc) => doc["_id"])).toEqual([1, 3, 2]);
    expect((await items.listSearchIndexes("vs").toArray())[0]).toMatchObject({ latestDefinition: flat, latestVersion: 1, queryable: true });
    await items.dropSearchIndex("vs");
    expect(await items.listSearchIndexes().toArray()).toEqual([]);
    expect(await search(items)).toEqual([]);
    await items.createSearchIndex({ name: "vs", type: "vectorSearch", definition });
    expect((await search(items)).map((doc) => doc["_id"])).toEqual([1, 2]);
  });

  it("refuses definitions and types that it does not serve, and a name twice", async () => {
    expect((await errorOf(items.createSearchIndex({ name: "t", definition: { mappings: { dynamic: true } } }))).message).toMatch(/type 'search'/);
    expect((await errorOf(items.createSearchIndex({ name: "vs", type: "vectorSearch", definition }))).code).toBe(68);
    expect((await errorOf(items.dropSearchIndex("nope"))).code).toBe(27);
  });
});

describe("a search index with a delay", () => {
  let engine: EngineFixture;

  afterEach(() => engine.stop());

  it("is pending, then queryable, and sees documents late", async () => {
    engine = await engineFixture({ searchIndexDelayMs: 400 });
    const items = engine.client.db("late").collection("items");
    await items.insertOne({ _id: 1 as never, tenant: "a", v: [1, 0, 0] });
    await items.createSearchIndex({ name: "vs", type: "vectorSearch", definition });
    const status = async (): Promise<unknown> => (await items.listSearchIndexes("vs").toArray())[0];
    expect(await status()).toMatchObject({ status: "PENDING", queryable: false });
    expect((await errorOf(search(items))).message).toMatch(/cannot query vector index vs while in state/);
    await expect.poll(status, { timeout: 5_000 }).toMatchObject({ status: "READY", queryable: true });
    expect(await search(items)).toEqual([{ _id: 1, score: 1 }]);
    await items.insertOne({ _id: 2 as never, tenant: "a", v: [1, 0, 0] });
    expect(await search(items)).toHaveLength(1);
    await expect.poll(() => search(items), { timeout: 5_000 }).toHaveLength(2);
  });
});
