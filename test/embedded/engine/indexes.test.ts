import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import fc from "fast-check";
import type { Collection, Document, Filter } from "mongodb";
import { engineFixture, errorOf, type EngineFixture } from "./engine-fixture.js";

let engine: EngineFixture;
let items: Collection;
let round = 0;

beforeAll(async () => {
  engine = await engineFixture();
});
afterAll(() => engine.stop());
beforeEach(() => {
  round += 1;
  items = engine.client.db("shop").collection(`items${round}`);
});

async function planOf(filter: Filter<Document>, sort: Document = {}): Promise<{ index: string | undefined; sorted: boolean; keys: number; docs: number }> {
  const explained = await items.find(filter, { sort: sort as Record<string, 1> }).explain();
  const plan = explained["queryPlanner"].winningPlan;
  const stage = plan.stage === "SORT" ? plan.inputStage : plan;
  return {
    index: stage.inputStage?.indexName ?? (stage.stage === "IDHACK" ? "_id_" : undefined),
    sorted: plan.stage !== "SORT",
    keys: explained["executionStats"].totalKeysExamined,
    docs: explained["executionStats"].totalDocsExamined,
  };
}

describe("the planner", () => {
  beforeEach(async () => {
    await items.createIndex({ tenant: 1, kind: 1, at: -1 }, { name: "by_kind" });
    await items.createIndex({ tenant: 1, terms: 1 }, { name: "by_term" });
    await items.insertMany(
      Array.from({ length: 300 }, (_, at) => ({
        _id: at as unknown as never,
        tenant: `t${at % 3}`,
        kind: at % 2 === 0 ? "even" : "odd",
        at,
        terms: [`w${at % 10}`, `v${at % 7}`],
      })),
    );
  });

  it("walks equality and range on a compound index and nothing else", async () => {
    const plan = await planOf({ tenant: "t0", kind: "even", at: { $gte: 30, $lt: 60 } });
    expect(plan).toMatchObject({ index: "by_kind", keys: 5, docs: 5 });
  });

  it("takes the sort from the index, both ways", async () => {
    for (const direction of [1, -1] as const) {
      const plan = await planOf({ tenant: "t1", kind: "odd" }, { at: direction });
      expect(plan).toMatchObject({ index: "by_kind", sorted: true, keys: 50 });
      const found = await items.find({ tenant: "t1", kind: "odd" }).sort({ at: direction }).toArray();
      expect(found.map((doc) => doc["at"])).toEqual(found.map((doc) => doc["at"]).toSorted((a, b) => direction * (a - b)));
    }
  });

  it("reads one range for each value of $in", async () => {
    expect(await planOf({ tenant: { $in: ["t0", "t2"] }, kind: "odd" })).toMatchObject({ index: "by_kind", keys: 100 });
  });

  it("uses both fields of an index on an array behind a scalar", async () => {
    const plan = await planOf({ tenant: "t0", terms: "w0" });
    expect(plan).toMatchObject({ index: "by_term", keys: 10, docs: 10 });
  });

  it("returns a document once, however many of its entries match", async () => {
    const found = await items.find({ tenant: "t0", terms: { $in: ["w0", "v0"] } }).toArray();
    expect(new Set(found.map((doc) => String(doc["_id"]))).size).toBe(found.length);
    const expected = await items.find({ $and: [{ tenant: "t0" }, { $or: [{ terms: "w0" }, { terms: "v0" }] }] }).hint({ $natural: 1 }).toArray();
    expect(found.length).toBe(expected.length);
  });

  it("finds by _id without a walk, and counts a whole collection by its keys", async () => {
    expect(await planOf({ _id: 7 as never })).toMatchObject({ index: "_id_", keys: 1, docs: 1 });
    expect(await items.estimatedDocumentCount()).toBe(300);
  });

  it("refuses a hint that names no index", async () => {
    expect((await errorOf(items.find({}).hint("nope").toArray())).code).toBe(2);
  });
});

describe("an index gives the same answers as no index", () => {
  const scalar = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom("a", "b", "", null, true, 2.5));
  const value = fc.oneof(scalar, fc.array(scalar, { maxLength: 3 }));
  const doc = fc.record({ a: value, b: value }, { requiredKeys: [] }).filter((d) => !(Array.isArray(d.a) && Array.isArray(d.b)));
  const condition = fc.oneof(
    scalar.map((v) => v as unknown),
    fc.tuple(fc.constantFrom("$gt", "$gte", "$lt", "$lte", "$eq", "$ne"), scalar).map(([op, v]) => ({ [op]: v })),
    fc.tuple(scalar, scalar).map(([low, high]) => ({ $gte: low, $lt: high })),
    fc.array(scalar, { minLength: 1, maxLength: 3 }).map((list) => ({ $in: list })),
    fc.constant({ $exists: true }),
    fc.constant({ $exists: false }),
  );
  const filter = fc.record({ a: condition, b: condition }, { requiredKeys: [] });

  it("for random documents, filters and sorts", async () => {
    const plain = engine.client.db("shop").collection("plain");
    const indexed = engine.client.db("shop").collection("indexed");
    await indexed.createIndex({ a: 1, b: -1 });
    await indexed.createIndex({ b: 1 }, { sparse: true });
    await fc.assert(
      fc.asyncProperty(fc.array(doc, { maxLength: 12 }), fc.array(filter, { minLength: 1, maxLength: 4 }), fc.constantFrom({}, { a: 1 }, { b: -1 }, { a: -1, b: 1 }), async (docs, filters, sort) => {
        await Promise.all([plain.deleteMany({}), indexed.deleteMany({})]);
        const numbered = docs.map((d, at) => ({ ...d, _id: at as never }));
        if (numbered.length > 0) await Promise.all([plain.insertMany(numbered), indexed.insertMany(numbered)]);
        for (const wanted of filters) {
          const order = { ...sort, _id: 1 } as Record<string, 1 | -1>;
          const [one, two] = await Promise.all([plain, indexed].map((target) => target.find(wanted as Filter<Document>, { sort: order }).toArray()));
          expect(two).toEqual(one);
        }
      }),
      { numRuns: 40 },
    );
  });
});

describe("a unique index", () => {
  it("refuses the second document with MongoDB's message, keyPattern and keyValue", async () => {
    await items.createIndex({ a: 1, "b.c": 1 }, { unique: true });
    await items.insertOne({ a: 1, b: { c: "x" } });
    const error = await errorOf(items.insertOne({ a: 1, b: { c: "x" } }));
    expect(error.message).toBe(`E11000 duplicate key error collection: shop.items${round} index: a_1_b.c_1 dup key: { a: 1, b.c: "x" }`);
    expect(error).toMatchObject({ code: 11000, keyPattern: { a: 1, "b.c": 1 }, keyValue: { a: 1, "b.c": "x" } });
  });

  it("treats equal numbers of different types as equal, and lets a value move on", async () => {
    const { Double, Long } = await import("mongodb");
    await items.createIndex({ a: 1 }, { unique: true });
    await items.insertOne({ _id: 1 as never, a: Long.fromNumber(5) });
    expect((await errorOf(items.insertOne({ a: new Double(5) }))).code).toBe(11000);
    await items.updateOne({ _id: 1 as never }, { $set: { a: 6 } });
    await items.insertOne({ _id: 2 as never, a: 5 });
    expect((await errorOf(items.updateOne({ _id: 1 as never }, { $set: { a: 5 } }))).code).toBe(11000);
    await items.deleteOne({ _id: 2 as never });
    await items.updateOne({ _id: 1 as never }, { $set: { a: 5 } });
    expect(await items.countDocuments({ a: 5 })).toBe(1);
  });

  it("lets exactly one of many concurrent inserts and upserts through", async () => {
    await items.createIndex({ a: 1 }, { unique: true });
    const results = await Promise.allSettled(Array.from({ length: 20 }, (_, at) => items.insertOne({ a: "one", at })));
    expect(results.filter((result) => result.status === "fulfilled")).toHaveLength(1);
    await Promise.all(Array.from({ length: 20 }, () => items.updateOne({ a: "two" }, { $inc: { n: 1 } }, { upsert: true })));
    expect(await items.find({ a: "two" }).project({ _id: 0, n: 1 }).toArray()).toEqual([{ n: 20 }]);
  });

  it("is not built over duplicates, and leaves no trace of the attempt", async () => {
    await items.insertMany([{ a: 1 }, { a: 1 }]);
    expect((await errorOf(items.createIndex({ a: 1 }, { unique: true }))).code).toBe(11000);
    expect(await items.indexes()).toHaveLength(1);
    await items.insertOne({ a: 1 });
  });

  it("binds only the documents of its partial filter", async () => {
    await items.createIndex({ a: 1 }, { unique: true, partialFilterExpression: { live: true } });
    await items.insertMany([{ a: 1, live: false }, { a: 1 }, { a: 1, live: true }]);
    expect((await errorOf(items.insertOne({ a: 1, live: true }))).code).toBe(11000);
    expect(await items.countDocuments({ a: 1 })).toBe(3);
    expect(await planOf({ a: 1 })).toMatchObject({ index: undefined });
    expect(await planOf({ a: 1, live: true })).toMatchObject({ index: "a_1" });
  });
});

describe("an index", () => {
  it("keeps keys apart that share more bytes than a key can hold", async () => {
    const long = "x".repeat(5_000);
    await items.createIndex({ a: 1 }, { unique: true });
    await items.insertMany([{ _id: `${long}1` as never, a: `${long}1` }, { _id: `${long}2` as never, a: `${long}2` }]);
    expect((await errorOf(items.insertOne({ a: `${long}1` }))).code).toBe(11000);
    expect((await items.findOne({ a: `${long}2` }))?.["_id"]).toBe(`${long}2`);
    expect((await items.findOne({ _id: `${long}1` as never }))?.["a"]).toBe(`${long}1`);
    const descending = await items.find({ a: { $gte: `${long}1` } }).sort({ a: -1 }).toArray();
    expect(descending.map((doc) => doc["a"])).toEqual([`${long}2`, `${long}1`]);
  });

  it("is the same one when asked for again, and a conflict when asked for differently", async () => {
    await items.createIndex({ a: 1 });
    await items.createIndex({ a: 1 });
    expect(await items.indexes()).toHaveLength(2);
    expect((await errorOf(items.createIndex({ a: 1 }, { unique: true }))).code).toBe(86);
    expect((await errorOf(items.createIndex({ a: 1 }, { name: "other" }))).code).toBe(85);
  });

  it("of a kind that is not served is refused by name", async () => {
    expect((await errorOf(items.createIndex({ a: "text" }))).message).toMatch(/type 'text' is not served/);
    expect((await errorOf(items.createIndex({ a: 1 }, { collation: { locale: "de" } }))).message).toMatch(/'collation' is not served/);
  });

  it("cannot hold two arrays, and the write is refused whole", async () => {
    await items.createIndex({ a: 1, b: 1 });
    expect((await errorOf(items.insertOne({ a: [1, 2], b: [1, 2] }))).code).toBe(171);
    expect(await items.countDocuments()).toBe(0);
  });
});
