import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Long, UUID, type Document } from "bson";
import { MongoClient } from "mongodb";
import { engineFixture, errorOf } from "../engine/engine-fixture.js";
import { rawCommand } from "../engine/raw-client.js";
import { recordingProxy } from "./recording-proxy.js";
import { RawConnection, scram } from "./scram-client.js";
import { PASSWORD, ROOT, usersFixture, type UsersFixture } from "./users-fixture.js";

let engine: UsersFixture;
let ann: MongoClient;

beforeAll(async () => {
  engine = await usersFixture();
  for (const db of ["a", "b"]) await engine.client.db(db).collection("things").insertMany(Array.from({ length: 30 }, (_, n) => ({ n })));
  await engine.createUser("a", "ann", ["readWrite"]);
  await engine.createUser("a", "amy", ["readWrite"]);
  ann = engine.as("ann", "a");
});
afterAll(() => engine.stop());

async function signedIn(user: string): Promise<RawConnection> {
  const connection = await RawConnection.open(engine.uri);
  await scram(connection, { user, password: PASSWORD, db: "a" });
  return connection;
}

async function shown(client: MongoClient, options = {}): Promise<string[]> {
  return (await client.db().admin().listDatabases(options)).databases.map(({ name }) => name);
}

const code = async (promise: Promise<unknown>): Promise<unknown> => (await errorOf(promise)).code;

describe("the official driver", () => {
  it("gets in with the right password alone, and is told the same of a wrong name", async () => {
    expect(await ann.db("a").collection("things").countDocuments()).toBe(30);
    const wrong = await errorOf(engine.as("ann", "a", "wrong").db("a").command({ ping: 1 }));
    const unknown = await errorOf(engine.as("nobody", "a").db("a").command({ ping: 1 }));
    expect([wrong.code, wrong.message]).toEqual([18, "Authentication failed."]);
    expect([unknown.code, unknown.message]).toEqual([18, "Authentication failed."]);
    expect(await code(engine.as("ann", "b").db("a").command({ ping: 1 }))).toBe(18);
    expect(await code(engine.as("ann", "a", PASSWORD, { authMechanism: "SCRAM-SHA-1" }).db("a").command({ ping: 1 }))).toBe(334);
  });

  it("pays one message for authentication, riding on hello and skipping the empty exchange", async () => {
    const proxy = await recordingProxy(engine.uri);
    const client = new MongoClient(proxy.uri, { auth: { username: "ann", password: PASSWORD }, authSource: "a" });
    await client.db("a").command({ ping: 1 });
    await client.close();
    await proxy.close();
    const used = proxy.connections().find((names) => names.includes("ping"));
    expect(used?.slice(0, 3)).toEqual(["hello", "saslContinue", "ping"]);
  });

  it("of one database is refused every way into another", async () => {
    const other = ann.db("b");
    const things = other.collection("things");
    const session = ann.startSession();
    session.startTransaction();
    const attempts: (() => Promise<unknown>)[] = [
      () => things.findOne(),
      () => things.aggregate([]).toArray(),
      () => things.countDocuments(),
      () => things.distinct("n"),
      () => things.insertOne({}),
      () => things.updateMany({}, { $set: { n: 0 } }),
      () => things.deleteMany({}),
      () => things.findOneAndDelete({}),
      () => things.drop(),
      () => things.createIndex({ n: 1 }),
      () => things.listIndexes().toArray(),
      () => things.insertOne({}, { session }),
      () => other.listCollections().toArray(),
      () => other.createCollection("mine"),
      () => other.dropDatabase(),
      () => other.command({ createUser: "mallory", pwd: "pw", roles: ["dbOwner"] }),
    ];
    for (const attempt of attempts) expect(await errorOf(attempt())).toMatchObject({ code: 13, codeName: "Unauthorized" });
    await session.endSession();
    expect(await engine.client.db("b").collection("things").countDocuments()).toBe(30);
  });

  it("is shown the databases it may use, and no other", async () => {
    expect(await shown(ann)).toEqual(["a"]);
    expect(await shown(ann, { authorizedDatabases: true })).toEqual(["a"]);
    expect(await code(shown(ann, { authorizedDatabases: false }))).toBe(13);
    expect(await shown(engine.client)).toEqual(["a", "b"]);
  });
});

describe("a cursor", () => {
  it("is its user's alone, also against a user with the same roles", async () => {
    const amy = engine.as("amy", "a");
    const cursor = ann.db("a").collection("things").find({}, { batchSize: 5 });
    await cursor.next();
    const id = cursor.id ?? Long.ZERO;
    const theft = await errorOf(amy.db("a").command({ getMore: id, collection: "things" }));
    expect(theft).toMatchObject({ code: 13, message: `cursor id ${id.toString()} was not created by the authenticated user` });
    expect(await code(amy.db("a").command({ killCursors: "things", cursors: [id] }))).toBe(13);
    expect((await cursor.toArray()).length).toBe(29);
    const next = ann.db("a").collection("things").find({}, { batchSize: 5 });
    await next.next();
    expect(await engine.client.db("a").command({ killCursors: "things", cursors: [next.id] })).toMatchObject({ cursorsKilled: [next.id] });
  });
});

describe("a session", () => {
  it("is its user's alone: the same id of another user is another session", async () => {
    const [his, hers] = await Promise.all([signedIn("ann"), signedIn("amy")]);
    const transaction = { lsid: { id: new UUID() }, txnNumber: Long.fromNumber(1), autocommit: false };
    const insert = { insert: "things", documents: [{ _id: "his" }], ...transaction, $db: "a" };
    expect(await his.command({ ...insert, startTransaction: true })).toMatchObject({ ok: 1 });
    // Neither to see, to end nor to be mistaken for.
    expect(await hers.command({ find: "things", ...transaction, $db: "a" })).toMatchObject({ ok: 0, code: 251 });
    expect(await hers.command({ commitTransaction: 1, ...transaction, $db: "admin" })).toMatchObject({ ok: 0, code: 251 });
    expect(await hers.command({ abortTransaction: 1, ...transaction, $db: "admin" })).toMatchObject({ ok: 0, code: 251 });
    expect(await hers.command({ endSessions: [transaction.lsid], $db: "admin" })).toMatchObject({ ok: 1 });
    expect(await his.command({ commitTransaction: 1, ...transaction, $db: "admin" })).toMatchObject({ ok: 1 });
    expect(await hers.command({ commitTransaction: 1, ...transaction, $db: "admin" })).toMatchObject({ ok: 0, code: 251 });
    // A retried write is answered from the record of its own session alone.
    const write = { insert: "things", documents: [{ _id: "once" }], lsid: transaction.lsid, txnNumber: Long.fromNumber(2), $db: "a" };
    expect(await his.command(write)).toMatchObject({ ok: 1, n: 1 });
    expect(await his.command(write)).toMatchObject({ ok: 1, n: 1 });
    expect(await hers.command(write)).toMatchObject({ n: 0, writeErrors: [{ code: 11000 }] });
    expect(await hers.command({ find: "things", lsid: { id: Buffer.concat([Buffer.alloc(16), Buffer.alloc(32)]) }, $db: "a" })).toMatchObject({ ok: 0, code: 2 });
    his.close();
    hers.close();
  });

  it("is ended by its own user, with the transaction it has open", async () => {
    const his = await signedIn("ann");
    const transaction = { lsid: { id: new UUID() }, txnNumber: Long.fromNumber(1), autocommit: false };
    await his.command({ insert: "things", documents: [{ _id: "ended" }], ...transaction, startTransaction: true, $db: "a" });
    expect(await his.command({ endSessions: [transaction.lsid], $db: "admin" })).toMatchObject({ ok: 1 });
    expect(await his.command({ commitTransaction: 1, ...transaction, $db: "admin" })).toMatchObject({ ok: 0, code: 251 });
    his.close();
  });
});

describe("users", () => {
  it("are made, changed and dropped with MongoDB's errors", async () => {
    const db = engine.client.db("made");
    const create = (more: Document = {}): Promise<Document> => db.command({ createUser: "eve", pwd: "pw", roles: ["read"], ...more });
    expect(await errorOf(create({ roles: ["reed"] }))).toMatchObject({ code: 31, codeName: "RoleNotFound", message: "Could not find role: reed@made" });
    expect(await code(create({ roles: ["root"] }))).toBe(31);
    for (const bad of [{ pwd: "" }, { pwd: "pässword" }, { pwd: "tab\t" }, { pwd: 5 }, { mechanisms: ["SCRAM-SHA-1"] }, { mechanisms: [] }, { digestPassword: false }, { createUser: "" }, { roles: [5] }]) {
      expect({ bad, code: await code(create(bad)) }).toEqual({ bad, code: 2 });
    }
    expect(await code(db.command({ createUser: "eve", pwd: "pw" }))).toBe(14);
    expect(await code(create({ authenticationRestrictions: [] }))).toBe(40415);
    expect(await code(engine.client.db("local").command({ createUser: "eve", pwd: "pw", roles: [] }))).toBe(2);
    await create({ customData: { shoe: 42 } });
    expect(await errorOf(create())).toMatchObject({ code: 51003, message: 'User "eve@made" already exists' });
    expect(await code(engine.client.db("admin").command({ createUser: ROOT.user, pwd: "pw", roles: [] }))).toBe(51003);
    const { users } = await db.command({ usersInfo: "eve" });
    expect(users).toMatchObject([{ _id: "made.eve", user: "eve", db: "made", roles: [{ role: "read", db: "made" }], customData: { shoe: 42 }, mechanisms: ["SCRAM-SHA-256"] }]);
    expect(JSON.stringify(users)).not.toMatch(/storedKey|salt/);
    for (const command of ["updateUser", "dropUser"]) {
      expect(await errorOf(db.command({ [command]: "nobody", ...(command === "updateUser" ? { pwd: "x" } : {}) }))).toMatchObject({ code: 11, codeName: "UserNotFound" });
    }
    expect(await code(db.command({ updateUser: "eve" }))).toBe(2);
    await db.command({ updateUser: "eve", pwd: "other" });
    expect(await code(engine.as("eve", "made", "pw").db("made").command({ ping: 1 }))).toBe(18);
    await engine.as("eve", "made", "other").db("made").command({ ping: 1 });
    expect((await db.command({ usersInfo: 1 }))["users"]).toHaveLength(1);
    expect((await engine.client.db("admin").command({ usersInfo: { forAllDBs: true } }))["users"]).toHaveLength(4);
    expect(await db.command({ dropAllUsersFromDatabase: 1 })).toMatchObject({ n: 1 });
    expect(await code(engine.as("eve", "made", "other").db("made").command({ ping: 1 }))).toBe(18);
  });

  it("of one name are made once, however many try at once", async () => {
    const db = engine.client.db("race");
    const tries = await Promise.allSettled(Array.from({ length: 8 }, () => db.command({ createUser: "one", pwd: "pw", roles: [] })));
    expect(tries.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  it("may ask about themselves alone, and are told by connectionStatus who they are", async () => {
    const db = ann.db("a");
    expect((await db.command({ usersInfo: "ann" }))["users"]).toMatchObject([{ user: "ann" }]);
    expect(await code(db.command({ usersInfo: "amy" }))).toBe(13);
    expect(await code(db.command({ usersInfo: { forAllDBs: true } }))).toBe(13);
    expect((await db.command({ connectionStatus: 1 }))["authInfo"]).toEqual({ authenticatedUsers: [{ user: "ann", db: "a" }], authenticatedUserRoles: [{ role: "readWrite", db: "a" }] });
    expect(await rawCommand(engine.uri, { connectionStatus: 1, $db: "a" })).toMatchObject({ authInfo: { authenticatedUsers: [], authenticatedUserRoles: [] } });
  });

  it("are cut off by dropUser and held to new roles from their next command, on connections that are open", async () => {
    await engine.createUser("a", "tom", ["readWrite"]);
    const tom = engine.as("tom", "a");
    const things = tom.db("a").collection("things");
    await things.insertOne({ by: "tom" });
    await engine.client.db("a").command({ updateUser: "tom", roles: ["read"] });
    expect(await code(things.insertOne({ by: "tom" }))).toBe(13);
    expect(await things.countDocuments({ by: "tom" })).toBe(1);
    await engine.client.db("a").command({ updateUser: "tom", roles: ["readWrite"] });
    const session = tom.startSession();
    session.startTransaction();
    await things.updateOne({ by: "tom" }, { $set: { held: true } }, { session });
    await engine.client.db("a").command({ dropUser: "tom" });
    // His locks go with him: this write does not wait for a transaction that nobody can end.
    await engine.client.db("a").collection("things").updateOne({ by: "tom" }, { $set: { free: true } });
    expect(await errorOf(things.findOne())).toMatchObject({ code: 13, message: "Command find requires authentication" });
    await session.endSession().catch(() => undefined);
  });

  it("of an old name are new users: a connection of the old one inherits nothing", async () => {
    await engine.createUser("a", "tom", ["readWrite"]);
    const old = await signedIn("tom");
    await engine.client.db("a").command({ dropUser: "tom" });
    await engine.createUser("a", "tom", ["readWrite"]);
    expect(await old.command({ find: "things", $db: "a" })).toMatchObject({ ok: 0, code: 13 });
    old.close();
    await engine.as("tom", "a").db("a").command({ find: "things", limit: 1 });
  });

  it("stay when their database is dropped, and cannot be read, written or dropped as documents", async () => {
    await engine.createUser("gone", "kim", ["dbOwner"]);
    const kim = engine.as("kim", "gone");
    await kim.db("gone").collection("things").insertOne({});
    await kim.db("gone").dropDatabase();
    await kim.db("gone").collection("things").insertOne({});
    const admin = engine.client.db("admin");
    expect(await admin.listCollections().toArray()).toEqual([]);
    expect(await admin.collection("system.users").find().toArray()).toEqual([]);
    await admin.collection("system.users").drop();
    expect(await errorOf(admin.command({ dropDatabase: 1 }))).toMatchObject({ code: 20, codeName: "IllegalOperation" });
    await kim.db("gone").command({ find: "things" });
  });
});

describe("an engine without the option", () => {
  it("knows users and binds nobody", async () => {
    const open = await engineFixture();
    await open.client.db("a").command({ createUser: "ann", pwd: PASSWORD, roles: ["read"] });
    const reader = new MongoClient(open.uri, { auth: { username: "ann", password: PASSWORD }, authSource: "a" });
    expect((await reader.db("a").command({ connectionStatus: 1 }))["authInfo"]).toMatchObject({ authenticatedUsers: [{ user: "ann", db: "a" }] });
    await reader.db("b").collection("things").insertOne({ _id: "any" as never });
    const wrong = new MongoClient(open.uri, { auth: { username: "ann", password: "wrong" }, authSource: "a" });
    expect(await code(wrong.db("a").command({ ping: 1 }))).toBe(18);
    expect(await rawCommand(open.uri, { find: "things", $db: "b" })).toMatchObject({ ok: 1, cursor: { firstBatch: [{ _id: "any" }] } });
    await Promise.all([reader.close(), wrong.close()]);
    await open.stop();
  });
});

describe("a transaction", () => {
  it("lives as long as the option says, and then gives back its locks", async () => {
    const open = await engineFixture({ transactionLifetimeMs: 100 });
    const things = open.client.db("a").collection<{ _id: string; n: number }>("things");
    await things.insertOne({ _id: "x", n: 0 });
    const session = open.client.startSession();
    session.startTransaction();
    await things.updateOne({ _id: "x" }, { $inc: { n: 1 } }, { session });
    await things.updateOne({ _id: "x" }, { $inc: { n: 10 } });
    expect(await code(session.commitTransaction())).toBe(251);
    expect((await things.findOne())?.n).toBe(10);
    await session.endSession();
    await open.stop();
  });
});
