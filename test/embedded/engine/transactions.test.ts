import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Long, UUID, type Document } from "bson";
import type { ClientSession, Collection } from "mongodb";
import { engineFixture, errorOf, type EngineFixture } from "./engine-fixture.js";
import { rawCommand } from "./raw-client.js";

interface Account {
  _id: string;
  balance: number;
  email?: string;
}

let engine: EngineFixture;
let accounts: Collection<Account>;

beforeAll(async () => {
  engine = await engineFixture();
});
afterAll(() => engine.stop());
beforeEach(async () => {
  accounts = engine.client.db("bank").collection<Account>("accounts");
  await accounts.deleteMany({});
  await accounts.insertMany([{ _id: "a", balance: 100 }, { _id: "b", balance: 0 }]);
});

async function inSession<T>(work: (session: ClientSession) => Promise<T>): Promise<T> {
  const session = engine.client.startSession();
  try {
    return await work(session);
  } finally {
    await session.endSession();
  }
}

describe("a transaction", () => {
  it("shows its changes to itself alone until it commits, then to everybody at once", () =>
    inSession(async (session) => {
      session.startTransaction();
      await accounts.updateOne({ _id: "a" }, { $inc: { balance: -30 } }, { session });
      await accounts.updateOne({ _id: "b" }, { $inc: { balance: 30 } }, { session });
      await accounts.insertOne({ _id: "c", balance: 1 }, { session });
      expect(await accounts.find({ balance: { $gt: 0 } }, { session }).sort({ _id: 1 }).toArray()).toEqual([
        { _id: "a", balance: 70 },
        { _id: "b", balance: 30 },
        { _id: "c", balance: 1 },
      ]);
      expect(await accounts.find().sort({ _id: 1 }).toArray()).toEqual([
        { _id: "a", balance: 100 },
        { _id: "b", balance: 0 },
      ]);
      await session.commitTransaction();
      expect(await accounts.countDocuments()).toBe(3);
      expect((await accounts.findOne({ _id: "a" }))?.balance).toBe(70);
    }));

  it("leaves nothing behind when it is aborted, and gives its locks back", () =>
    inSession(async (session) => {
      session.startTransaction();
      await accounts.updateOne({ _id: "a" }, { $set: { balance: 0 } }, { session });
      await accounts.deleteOne({ _id: "b" }, { session });
      await session.abortTransaction();
      expect(await accounts.find().sort({ _id: 1 }).toArray()).toEqual([
        { _id: "a", balance: 100 },
        { _id: "b", balance: 0 },
      ]);
      await accounts.updateOne({ _id: "a" }, { $set: { balance: 5 } });
      expect((await accounts.findOne({ _id: "a" }))?.balance).toBe(5);
    }));

  it("reads one snapshot, whatever others commit meanwhile", () =>
    inSession(async (session) => {
      session.startTransaction();
      expect((await accounts.findOne({ _id: "a" }, { session }))?.balance).toBe(100);
      await accounts.updateOne({ _id: "a" }, { $set: { balance: 7 } });
      await accounts.insertOne({ _id: "new", balance: 1 });
      expect((await accounts.findOne({ _id: "a" }, { session }))?.balance).toBe(100);
      expect(await accounts.countDocuments({}, { session })).toBe(2);
      await session.commitTransaction();
    }));

  it("conflicts with a write that was committed after its snapshot", () =>
    inSession(async (session) => {
      session.startTransaction();
      await accounts.findOne({ _id: "b" }, { session });
      await accounts.updateOne({ _id: "a" }, { $set: { balance: 7 } });
      const error = await errorOf(accounts.updateOne({ _id: "a" }, { $inc: { balance: 1 } }, { session }));
      expect(error.code).toBe(112);
      expect(error.errorLabels).toContain("TransientTransactionError");
      await session.abortTransaction();
      expect((await accounts.findOne({ _id: "a" }))?.balance).toBe(7);
    }));

  it("conflicts with another open transaction instead of waiting for ever", () =>
    inSession((first) =>
      inSession(async (second) => {
        first.startTransaction();
        second.startTransaction();
        await accounts.updateOne({ _id: "a" }, { $inc: { balance: 1 } }, { session: first });
        await accounts.findOne({ _id: "b" }, { session: second });
        const error = await errorOf(accounts.updateOne({ _id: "a" }, { $inc: { balance: 1 } }, { session: second }));
        expect(error.code).toBe(112);
        await first.commitTransaction();
        await second.abortTransaction();
        expect((await accounts.findOne({ _id: "a" }))?.balance).toBe(101);
      }),
    ));

  it("makes a plain write wait for it and then see its result", () =>
    inSession(async (session) => {
      session.startTransaction();
      await accounts.updateOne({ _id: "a" }, { $inc: { balance: 1 } }, { session });
      const waiting = accounts.findOneAndUpdate({ _id: "a" }, { $inc: { balance: 10 } }, { returnDocument: "after" });
      await new Promise((resolve) => setTimeout(resolve, 30));
      await session.commitTransaction();
      expect((await waiting)?.balance).toBe(111);
    }));

  it("queues for a hot document with its first statement, without a single retry", async () => {
    let attempts = 0;
    await Promise.all(
      Array.from({ length: 12 }, () =>
        inSession(async (session) => {
          for (let round = 0; round < 10; round += 1) {
            await session.withTransaction(async () => {
              attempts += 1;
              await accounts.findOneAndUpdate({ _id: "a" }, { $inc: { balance: 1 } }, { session });
            });
          }
        }),
      ),
    );
    expect((await accounts.findOne({ _id: "a" }))?.balance).toBe(220);
    expect(attempts).toBe(120);
  });

  it("keeps every increment of concurrent transfers that read before they write", async () => {
    await Promise.all(
      Array.from({ length: 8 }, () =>
        inSession(async (session) => {
          for (let round = 0; round < 5; round += 1) {
            await session.withTransaction(async () => {
              const from = await accounts.findOne({ _id: "a" }, { session });
              const to = await accounts.findOne({ _id: "b" }, { session });
              await accounts.updateOne({ _id: "a" }, { $set: { balance: (from?.balance ?? 0) - 1 } }, { session });
              await accounts.updateOne({ _id: "b" }, { $set: { balance: (to?.balance ?? 0) + 1 } }, { session });
            });
          }
        }),
      ),
    );
    expect(await accounts.find().sort({ _id: 1 }).toArray()).toEqual([
      { _id: "a", balance: 60 },
      { _id: "b", balance: 40 },
    ]);
  });

  it("loses no increment when plain writes and transactions meet on one document", async () => {
    const plain = Array.from({ length: 6 }, async () => {
      for (let round = 0; round < 20; round += 1) await accounts.updateOne({ _id: "b" }, { $inc: { balance: 1 } });
    });
    const transactional = Array.from({ length: 6 }, () =>
      inSession(async (session) => {
        for (let round = 0; round < 10; round += 1) {
          await session.withTransaction(async () => {
            const now = await accounts.findOne({ _id: "b" }, { session });
            await accounts.updateOne({ _id: "b" }, { $set: { balance: (now?.balance ?? 0) + 1 } }, { session });
          });
        }
      }),
    );
    await Promise.all([...plain, ...transactional]);
    expect((await accounts.findOne({ _id: "b" }))?.balance).toBe(180);
  });

  it("ends with the first statement that fails", () =>
    inSession(async (session) => {
      session.startTransaction();
      await accounts.insertOne({ _id: "c", balance: 1 }, { session });
      expect((await errorOf(accounts.insertOne({ _id: "a", balance: 1 }, { session }))).code).toBe(11000);
      expect((await errorOf(accounts.insertOne({ _id: "d", balance: 1 }, { session }))).code).toBe(251);
      await session.abortTransaction();
      expect(await accounts.countDocuments()).toBe(2);
    }));

  it("refuses a second database by name", () =>
    inSession(async (session) => {
      session.startTransaction();
      await accounts.updateOne({ _id: "a" }, { $inc: { balance: 1 } }, { session });
      const error = await errorOf(engine.client.db("elsewhere").collection("x").insertOne({}, { session }));
      expect(error.message).toMatch(/across databases \('bank' and 'elsewhere'\)/);
      await session.abortTransaction();
    }));

  it("guards a unique key against another transaction's pending insert", () =>
    inSession((first) =>
      inSession(async (second) => {
        await accounts.createIndex({ email: 1 }, { unique: true, partialFilterExpression: { email: { $exists: true } } });
        first.startTransaction();
        second.startTransaction();
        await accounts.insertOne({ _id: "x", balance: 0, email: "e@x" }, { session: first });
        await accounts.findOne({ _id: "a" }, { session: second });
        expect((await errorOf(accounts.insertOne({ _id: "y", balance: 0, email: "e@x" }, { session: second }))).code).toBe(112);
        await first.commitTransaction();
        await second.abortTransaction();
        expect((await errorOf(accounts.insertOne({ _id: "z", balance: 0, email: "e@x" }))).code).toBe(11000);
      }),
    ));

  it("may be asked to commit twice, and commits once", () =>
    inSession(async (session) => {
      session.startTransaction();
      await accounts.updateOne({ _id: "a" }, { $inc: { balance: 1 } }, { session });
      await session.commitTransaction();
      await session.commitTransaction();
      expect((await accounts.findOne({ _id: "a" }))?.balance).toBe(101);
    }));

  it("refuses what a server refuses in a transaction", () =>
    inSession(async (session) => {
      session.startTransaction();
      expect((await errorOf(engine.client.db("bank").command({ count: "accounts" }, { session }))).code).toBe(263);
      await session.abortTransaction();
    }));
});

function sent(lsid: Document, txnNumber: number, body: Document): Promise<Document> {
  return rawCommand(engine.uri, { ...body, lsid, txnNumber: Long.fromNumber(txnNumber), $db: "bank" });
}

describe("a retryable write", () => {
  it("is answered from its record when it comes again, and not repeated", async () => {
    const lsid = { id: new UUID() };
    const once = { update: "accounts", updates: [{ q: { _id: "a" }, u: { $inc: { balance: 1 } } }] };
    const first = await sent(lsid, 1, once);
    expect(first).toMatchObject({ n: 1, nModified: 1, ok: 1 });
    expect(await sent(lsid, 1, once)).toEqual(first);
    expect((await accounts.findOne({ _id: "a" }))?.balance).toBe(101);
  });

  it("returns the document of the first attempt from a repeated findAndModify", async () => {
    const lsid = { id: new UUID() };
    const modify = { findAndModify: "accounts", query: { _id: "a" }, update: { $inc: { balance: 1 } }, new: true };
    const first = await sent(lsid, 1, modify);
    await accounts.updateOne({ _id: "a" }, { $set: { balance: 0 } });
    expect(await sent(lsid, 1, modify)).toEqual(first);
    expect(first).toMatchObject({ value: { balance: 101 } });
  });

  it("waits for its own first attempt instead of running beside it", async () => {
    const lsid = { id: new UUID() };
    const once = { insert: "accounts", documents: [{ _id: "once", balance: 1 }] };
    const replies = await Promise.all(Array.from({ length: 6 }, () => sent(lsid, 1, once)));
    for (const reply of replies) expect(reply).toMatchObject({ n: 1, ok: 1 });
    expect(await accounts.countDocuments({ _id: "once" })).toBe(1);
  });

  it("is refused when a newer one of its session is known", async () => {
    const lsid = { id: new UUID() };
    const once = { insert: "accounts", documents: [{ _id: "n", balance: 1 }] };
    await sent(lsid, 5, once);
    expect(await sent(lsid, 4, once)).toMatchObject({ ok: 0, code: 225, codeName: "TransactionTooOld" });
  });
});
