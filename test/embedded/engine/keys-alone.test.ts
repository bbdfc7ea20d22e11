import { Binary, Double, Int32, Long, MaxKey, MinKey, ObjectId, Timestamp, Decimal128, type Collection, type Document } from "mongodb";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { engineFixture, type EngineFixture } from "./engine-fixture.js";

let engine: EngineFixture;
let items: Collection;

beforeAll(async () => {
  engine = await engineFixture();
  items = engine.client.db("shop").collection("keys_alone");
  await items.createIndex({ tenant: 1, terms: 1 }, { name: "by_term" });
  await items.createIndex({ tenant: 1, at: 1 }, { name: "by_time" });
  await items.createIndex({ live: 1 }, { partialFilterExpression: { kind: "b" }, name: "partial" });
  await items.insertMany(
    Array.from({ length: 60 }, (_, at) => ({
      tenant: `t${at % 2}`,
      at: at % 5,
      live: at % 3 === 0,
      kind: at % 2 === 0 ? "a" : "b",
      // Repeats, nested arrays and a missing field must all count as the matcher counts them.
      ...(at % 7 === 0 ? {} : { terms: at % 11 === 0 ? [["w1"], "w1x"] : [`w${at % 4}`, `w${at % 4}`, `v${at % 3}`, "common"] }),
    })),
  );
});
afterAll(() => engine.stop());

/** The same by reading every document: `$expr` keeps any index out of it. */
async function looked(filter: Document): Promise<number> {
  return (await items.find({ $and: [filter, { $expr: true }] }).hint({ $natural: 1 }).toArray()).length;
}

describe("counting by index keys", () => {
  const filters: Document[] = [
    { tenant: "t0", terms: "common" },
    { tenant: "t1", terms: "w1" },
    { tenant: "t0", terms: { $eq: "w2" } },
    { tenant: "t0", terms: "w" },
    { tenant: "t0", terms: { $in: ["w0", "w1", "v0"] } },
    { tenant: "t0" },
    { tenant: { $in: ["t0", "t1", "t0"] }, at: 3 },
    { tenant: "t0", at: { $in: [1, 2, 9] } },
    { tenant: "t0", at: new Double(2) },
    { tenant: "t0", at: null },
    { tenant: "t0", terms: null },
    { tenant: "t0", terms: ["w1"] },
    { tenant: "t0", at: { $gt: 2 } },
    { tenant: "t0", at: { $ne: 2 } },
    { live: true },
    { live: true, kind: "b" },
    { tenant: "x".repeat(2_000), at: 1 },
    { tenant: "none", terms: "common" },
  ];

  it("counts what a look at every document counts, by all three ways to ask", async () => {
    for (const filter of filters) {
      const expected = await looked(filter);
      expect(await items.countDocuments(filter), JSON.stringify(filter)).toBe(expected);
      expect(await items.find(filter).toArray(), JSON.stringify(filter)).toHaveLength(expected);
      expect((await engine.client.db("shop").command({ count: "keys_alone", query: filter }))["n"], JSON.stringify(filter)).toBe(expected);
      const [named] = await items.aggregate([{ $match: filter }, { $count: "all" }]).toArray();
      expect(named, JSON.stringify(filter)).toEqual(expected === 0 ? undefined : { all: expected });
    }
  });

  it("keeps the group's id, its other names and the stages behind it", async () => {
    const rows = await items.aggregate([{ $match: { tenant: "t0" } }, { $group: { _id: null, n: { $sum: 1 }, m: { $count: {} } } }, { $project: { twice: { $add: ["$n", "$m"] } } }]).toArray();
    expect(rows).toEqual([{ _id: null, twice: 60 }]);
    const sums = await items.aggregate([{ $match: { tenant: "t0" } }, { $group: { _id: 1, n: { $sum: 2 }, at: { $max: "$at" } } }]).toArray();
    expect(sums).toEqual([{ _id: 1, n: 60, at: 4 }]);
  });

  it("refuses a wrong stage all the same", async () => {
    await expect(items.aggregate([{ $match: { tenant: "t0" } }, { $count: "a.b" }]).toArray()).rejects.toMatchObject({ code: 40158 });
    await expect(items.aggregate([{ $match: { tenant: "t0" } }, { $group: { _id: 1, "a.b": { $sum: 1 } } }]).toArray()).rejects.toMatchObject({ code: 40235 });
  });

  it("counts a transaction's own changes", async () => {
    const session = engine.client.startSession();
    try {
      await session.withTransaction(async () => {
        const before = await items.countDocuments({ tenant: "t0", terms: "common" }, { session });
        await items.insertOne({ tenant: "t0", at: 1, terms: ["common"] }, { session });
        expect(await items.countDocuments({ tenant: "t0", terms: "common" }, { session })).toBe(before + 1);
        await session.abortTransaction();
      });
    } finally {
      await session.endSession();
    }
  });
});

describe("leaving fields out", () => {
  const whole: Document = {
    first: "ä\u0000b", double: 1.5, nested: { vector: 1, list: [1, { deep: true }] }, list: [1, "two"], vector: new Binary(Buffer.alloc(64, 7), 9), id: new ObjectId("0".repeat(24)),
    yes: true, when: new Date(5), nothing: null, pattern: /a.b/i, whole: new Int32(7), stamp: new Timestamp({ t: 1, i: 2 }), long: Long.fromString("9007199254740993"), exact: Decimal128.fromString("1.10"), least: new MinKey(), most: new MaxKey(),
  };

  it("keeps every other field as it was, whatever its type", async () => {
    const collection = engine.client.db("shop").collection<Document>("all_types");
    await collection.insertOne({ _id: 1 as never, ...whole });
    const options = { promoteValues: false, promoteLongs: false, bsonRegExp: true } as const;
    const stored: Document = (await collection.findOne({}, options)) ?? {};
    for (const name of Object.keys(whole)) {
      const { [name]: _left, ...rest } = stored;
      expect(await collection.findOne({}, { ...options, projection: { [name]: 0, missing: 0 } }), name).toEqual(rest);
    }
    const { _id: _key, first: _first, most: _most, ...inner } = stored;
    expect(await collection.findOne({}, { ...options, projection: { _id: 0, first: 0, most: 0 } })).toEqual(inner);
  });
});
