import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Decimal128, Double, Long, MongoBulkWriteError, ObjectId, type Collection } from "mongodb";
import { engineFixture, errorOf, type EngineFixture } from "./engine-fixture.js";
import { rawCommand } from "./raw-client.js";

let engine: EngineFixture;
let things: Collection;
let round = 0;

beforeAll(async () => {
  engine = await engineFixture();
});
afterAll(() => engine.stop());
beforeEach(() => {
  round += 1;
  things = engine.client.db("work").collection(`things${round}`);
});

const id = (value: unknown): never => value as never;

describe("documents", () => {
  it("come back with every BSON type they went in with, byte for byte", async () => {
    const doc = { _id: new ObjectId(), i: 1, l: Long.MAX_VALUE, d: new Double(2), m: Decimal128.fromString("1.10"), s: "ü\u0000", at: new Date(5), b: Buffer.from([1, 2]), n: null, o: { z: 1, a: [] } };
    await things.insertOne(doc);
    const raw = await things.findOne({ _id: doc["_id"] }, { promoteValues: false, promoteLongs: false });
    expect(raw?.["l"]).toEqual(Long.MAX_VALUE);
    expect(raw?.["d"]).toEqual(new Double(2));
    expect(raw?.["m"]).toEqual(doc.m);
    expect(Object.keys(raw ?? {})).toEqual(Object.keys(doc));
    expect(Object.keys(raw?.["o"])).toEqual(["z", "a"]);
  });

  it("may have names that JavaScript objects treat in special ways", async () => {
    await things.insertOne(JSON.parse('{"_id": 1, "__proto__": {"polluted": true}, "constructor": 2}'));
    const found = await things.findOne({ constructor: 2 });
    expect(found && Object.keys(found)).toEqual(["_id", "__proto__", "constructor"]);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  it("larger than 16 MB are refused", async () => {
    await things.insertOne({ _id: id(1), s: "x".repeat(15_000_000) });
    const error = await errorOf(things.updateOne({ _id: id(1) }, { $set: { t: "y".repeat(2_000_000) } }));
    expect(error.code).toBe(10334);
  });
});

describe("bulk writes", () => {
  it("stop at the first error when ordered, and go on when not", async () => {
    const docs = [1, 1, 2].map((value) => ({ _id: id(value) }));
    const ordered = await errorOf(things.insertMany(docs));
    expect(ordered).toBeInstanceOf(MongoBulkWriteError);
    expect(await things.countDocuments()).toBe(1);
    const unordered = (await errorOf(things.insertMany(docs, { ordered: false }))) as unknown as MongoBulkWriteError;
    expect(unordered.insertedCount).toBe(1);
    expect([unordered.writeErrors].flat().map((error) => [error.index, error.code])).toEqual([[0, 11000], [1, 11000]]);
    expect(await things.countDocuments()).toBe(2);
  });

  it("report what each statement did", async () => {
    const result = await things.bulkWrite([
      { insertOne: { document: { _id: id(1), a: 1 } } },
      { updateOne: { filter: { _id: id(1) }, update: { $set: { a: 2 } } } },
      { updateOne: { filter: { _id: id(9) }, update: { $set: { a: 3 } }, upsert: true } },
      { replaceOne: { filter: { _id: id(1) }, replacement: { b: 1 } } },
      { updateMany: { filter: {}, update: { $set: { all: true } } } },
      { deleteOne: { filter: { _id: id(9) } } },
    ]);
    expect(result).toMatchObject({ insertedCount: 1, matchedCount: 4, modifiedCount: 4, deletedCount: 1, upsertedCount: 1, upsertedIds: { 2: 9 } });
    expect(await things.find().toArray()).toEqual([{ _id: 1, b: 1, all: true }]);
  });

  it("of many documents are one commit or several, but never half a document", async () => {
    await things.createIndex({ n: 1 });
    const docs = Array.from({ length: 5_000 }, (_, n) => ({ n, pad: "x".repeat(5_000) }));
    await things.insertMany(docs);
    expect(await things.countDocuments({ n: { $gte: 0 } })).toBe(5_000);
    expect((await things.updateMany({ n: { $lt: 4_000 } }, { $inc: { n: 10_000 } })).modifiedCount).toBe(4_000);
    expect(await things.countDocuments({ n: { $gte: 10_000 } })).toBe(4_000);
    expect((await things.deleteMany({ n: { $gte: 10_000 } })).deletedCount).toBe(4_000);
    expect(await things.countDocuments()).toBe(1_000);
  });
});

describe("updates", () => {
  it("that change nothing say so, and count what they matched", async () => {
    await things.insertOne({ _id: id(1), a: 1 });
    expect(await things.updateOne({ _id: id(1) }, { $set: { a: 1 } })).toMatchObject({ matchedCount: 1, modifiedCount: 0 });
  });

  it("of one document are atomic under concurrency", async () => {
    await things.insertOne({ _id: id(1), n: 0 });
    await Promise.all(Array.from({ length: 100 }, () => things.updateOne({ _id: id(1) }, { $inc: { n: 1 } })));
    expect((await things.findOne({ _id: id(1) }))?.["n"]).toBe(100);
  });

  it("by findAndModify hand each document of a queue to one worker", async () => {
    await things.insertMany(Array.from({ length: 30 }, (_, n) => ({ _id: id(n), state: "new" })));
    const taken = await Promise.all(Array.from({ length: 40 }, () => things.findOneAndUpdate({ state: "new" }, { $set: { state: "taken" } }, { sort: { _id: 1 } })));
    const ids = taken.flatMap((doc) => (doc ? [doc["_id"]] : []));
    expect(new Set(ids.map(String)).size).toBe(30);
    expect(ids).toHaveLength(30);
  });

  it("cannot change _id", async () => {
    await things.insertOne({ _id: id(1) });
    expect((await errorOf(things.updateOne({ _id: id(1) }, { $set: { _id: 2 } }))).code).toBe(66);
  });
});

describe("a write concern", () => {
  it("of more nodes than there are is told after the write was made", async () => {
    const error = await errorOf(things.insertOne({ _id: id(1) }, { writeConcern: { w: 3 } }));
    expect(error.code).toBe(100);
    expect(await things.countDocuments()).toBe(1);
  });
});

describe("cursors", () => {
  beforeEach(() => things.insertMany(Array.from({ length: 250 }, (_, n) => ({ _id: id(n), n: n % 10 }))));

  it("return everything in batches, sorted or not", async () => {
    expect((await things.find({}, { batchSize: 7 }).toArray()).map((doc) => Number(doc["_id"]))).toEqual(Array.from({ length: 250 }, (_, n) => n));
    const sorted = await things.find({}, { batchSize: 20 }).sort({ n: -1, _id: 1 }).skip(5).limit(100).toArray();
    expect(sorted).toHaveLength(100);
    expect(sorted[0]).toEqual({ _id: 59, n: 9 });
  });

  it("survive changes of what they have not reached yet", async () => {
    const cursor = things.find({}, { batchSize: 50 });
    await cursor.next();
    await things.deleteMany({ _id: { $gte: id(200) } });
    await things.insertOne({ _id: id(1_000), n: 1 });
    const rest = await cursor.toArray();
    expect(rest).toHaveLength(200);
  });

  it("are gone when they are closed", async () => {
    const cursor = things.find({}, { batchSize: 10 });
    await cursor.next();
    const open = cursor.id ?? Long.ZERO;
    expect(open.isZero()).toBe(false);
    await cursor.close();
    const error = await errorOf(engine.client.db("work").command({ getMore: open, collection: things.collectionName }));
    expect(error.code).toBe(43);
  });

  it("end a scan that takes longer than maxTimeMS", async () => {
    const slow = { $where: undefined, $expr: { $gt: [{ $reduce: { input: { $range: [0, 20_000] }, initialValue: 0, in: { $add: ["$$value", 1] } } }, 1e9] } };
    delete slow.$where;
    expect((await errorOf(things.find(slow).maxTimeMS(20).toArray())).code).toBe(50);
  });
});

describe("collections", () => {
  it("with a validator refuse documents on insert and update", async () => {
    const db = engine.client.db("work");
    const name = `checked${round}`;
    const validator = { $jsonSchema: { bsonType: "object", required: ["_id", "n"], additionalProperties: false, properties: { _id: {}, n: { bsonType: ["int", "double"], minimum: 0 } } } };
    const checked = await db.createCollection(name, { validator });
    await checked.insertOne({ _id: id(1), n: 1 });
    for (const bad of [{ n: -1 }, { n: "1" }, {}, { n: 1, more: 1 }]) expect((await errorOf(checked.insertOne(bad))).code).toBe(121);
    expect((await errorOf(checked.updateOne({ _id: id(1) }, { $set: { n: -5 } }))).code).toBe(121);
    expect(await checked.find().toArray()).toEqual([{ _id: 1, n: 1 }]);
    await db.command({ collMod: name, validator: {} });
    await checked.insertOne({ n: "anything" });
    expect((await errorOf(db.createCollection(`${name}b`, { validator: { $jsonSchema: { oneOf: [] } } }))).message).toMatch(/oneOf/);
    expect((await errorOf(db.createCollection(name))).code).toBe(48);
  });

  it("are listed, dropped and made anew, and old documents do not come back", async () => {
    const db = engine.client.db("lists");
    await db.collection("one").insertOne({ _id: id(1) });
    await db.collection("one").createIndex({ a: 1 });
    await db.createCollection("two");
    expect((await db.listCollections({ name: "one" }).toArray()).map(({ name }) => name)).toEqual(["one"]);
    expect((await engine.client.db().admin().listDatabases()).databases.map(({ name }) => name)).toContain("lists");
    await db.collection("one").drop();
    expect(await db.collection("one").countDocuments()).toBe(0);
    await db.collection("one").insertOne({ _id: id(2) });
    expect(await db.collection("one").find().toArray()).toEqual([{ _id: 2 }]);
    await db.dropDatabase();
    expect((await engine.client.db().admin().listDatabases()).databases.map(({ name }) => name)).not.toContain("lists");
    expect(await db.collection("one").countDocuments()).toBe(0);
  });

  it("of databases whose names differ in case alone are different", async () => {
    await engine.client.db("Case").collection("c").insertOne({ _id: id("upper") });
    expect(await engine.client.db("casE").collection("c").findOne({})).toBeNull();
    expect(await rawCommand(engine.uri, { find: "c", $db: "a b" })).toMatchObject({ ok: 0, code: 73 });
  });
});

describe("a change of the catalog under load", () => {
  it("loses no document and no index entry", async () => {
    const writers = Array.from({ length: 8 }, async (_, w) => {
      for (let n = 0; n < 40; n += 1) await things.insertOne({ w, n });
    });
    const indexer = (async () => {
      for (let n = 0; n < 4; n += 1) {
        await things.createIndex({ w: 1, n: 1 });
        if (n < 3) await things.dropIndex("w_1_n_1");
      }
    })();
    await Promise.all([...writers, indexer]);
    for (let w = 0; w < 8; w += 1) expect(await things.find({ w, n: { $gte: 0 } }).hint("w_1_n_1").toArray()).toHaveLength(40);
  });
});

describe("what is not served", () => {
  it("is refused by name with MongoDB's code", async () => {
    const db = engine.client.db("work");
    expect(await errorOf(db.command({ mapReduce: "x" }))).toMatchObject({ code: 59, message: "no such command: 'mapReduce'" });
    expect(await errorOf(db.command({ ping: 1, bogus: 1 }))).toMatchObject({ code: 40415 });
    expect((await errorOf(things.find().collation({ locale: "de" }).toArray())).message).toMatch(/collation is not served/);
    await things.insertOne({});
    expect((await errorOf(things.aggregate([{ $out: "x" }]).toArray())).message).toMatch(/\$out is not served/);
    expect((await errorOf(things.aggregate([{ $bogus: 1 }]).toArray())).code).toBe(40324);
    expect((await errorOf(db.createCollection("capped", { capped: true, size: 10 }))).message).toMatch(/capped/);
  });
});
