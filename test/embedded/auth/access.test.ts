import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Long, type Document } from "bson";
import { authorize } from "../../../src/embedded/auth/authorize.js";
import { Client } from "../../../src/embedded/auth/client.js";
import { accessTo } from "../../../src/embedded/auth/command-access.js";
import { givenRoot } from "../../../src/embedded/auth/given-root.js";
import { COMMANDS } from "../../../src/embedded/commands/registry.js";
import { RawConnection, scram } from "./scram-client.js";
import { PASSWORD, ROOT, usersFixture, type UsersFixture } from "./users-fixture.js";

/** What mongod answers to strangers, and what it answers to any user whatever his roles. All else asks for a right. */
const OPEN = ["hello", "isMaster", "ismaster", "ping", "saslStart", "saslContinue", "logout", "connectionStatus", "buildInfo", "buildinfo"];
const ANY_USER = ["listDatabases", "commitTransaction", "abortTransaction", "endSessions", "refreshSessions"];
const names = COMMANDS.map(({ name }) => name);
const guarded = names.filter((name) => !OPEN.includes(name) && !ANY_USER.includes(name));

/** A body that is well formed enough to be run; the rest is asked for by the command's own checks, behind the door. */
function bodyOf(name: string, db: string): Document {
  const special: Record<string, Document> = {
    getMore: { getMore: Long.fromNumber(1), collection: "things" },
    killCursors: { killCursors: "things", cursors: [Long.fromNumber(1)] },
    explain: { explain: { find: "things", filter: {} } },
    aggregate: { aggregate: "things", pipeline: [], cursor: {} },
    createUser: { createUser: "mallory", pwd: "pw", roles: [] },
    updateUser: { updateUser: "bob", pwd: "stolen" },
    dropUser: { dropUser: "bob" },
    usersInfo: { usersInfo: 1 },
    serverStatus: { serverStatus: 1 },
    getParameter: { getParameter: 1, featureCompatibilityVersion: 1 },
  };
  return { ...(special[name] ?? { [name]: "things" }), $db: db };
}

let engine: UsersFixture;
let ann: RawConnection;
let root: RawConnection;

beforeAll(async () => {
  engine = await usersFixture();
  await engine.client.db("a").collection("things").insertOne({ owner: "a" });
  await engine.client.db("b").collection("things").insertOne({ owner: "b" });
  await engine.createUser("a", "ann", ["dbOwner"]);
  await engine.createUser("b", "bob", ["dbOwner"]);
  for (const role of ["read", "readWrite", "dbAdmin", "userAdmin"]) await engine.createUser("a", role, [role]);
  ann = await signedIn("ann", "a");
  root = await RawConnection.open(engine.uri);
  await scram(root, { ...ROOT, db: "admin" });
});
afterAll(async () => {
  ann.close();
  root.close();
  await engine.stop();
});

async function signedIn(user: string, db: string): Promise<RawConnection> {
  const connection = await RawConnection.open(engine.uri);
  expect(await scram(connection, { user, password: PASSWORD, db })).toMatchObject({ ok: 1 });
  return connection;
}

describe("every command of the registry", () => {
  it("has an entry in the table of access, and is open to strangers only if mongod's is", () => {
    expect(names.filter((name) => accessTo(name) === undefined)).toEqual([]);
    expect(names.filter((name) => accessTo(name) === "open").toSorted()).toEqual(OPEN.toSorted());
    expect(names.filter((name) => accessTo(name) === "authenticated").toSorted()).toEqual(ANY_USER.toSorted());
    expect(guarded.length).toBeGreaterThan(25);
  });

  it("that had no entry would be refused to root himself", async () => {
    const given = givenRoot(ROOT, () => Buffer.alloc(28));
    const client = new Client(1);
    client.authenticate(given);
    const users = { enforced: true, find: () => given };
    const ask = (name: string): unknown => authorize(users, client, { name, key: name, body: { [name]: "things", $db: "a" } });
    expect(ask("find")).toBe(given);
    expect(() => ask("brandNew")).toThrow('not authorized on a to execute command { brandNew: "things", $db: "a" }');
    await given.credentials;
  });

  it("refuses a stranger, also in words", async () => {
    const stranger = await RawConnection.open(engine.uri);
    for (const name of names.filter((name) => !OPEN.includes(name))) {
      const expected = { ok: 0, code: 13, codeName: "Unauthorized", errmsg: `Command ${name} requires authentication` };
      expect(await stranger.command(bodyOf(name, "a"))).toEqual(expected);
      expect(await stranger.command({ ...bodyOf(name, "a"), bogus: 1 })).toEqual(expected);
    }
    for (const name of ["hello", "isMaster", "ping", "buildInfo", "connectionStatus", "logout"]) expect(await stranger.command({ [name]: 1, $db: "admin" })).toMatchObject({ ok: 1 });
    stranger.close();
  });

  it.each(guarded)("%s refuses the owner of another database, and not its own owner", async (name) => {
    const refused = await ann.command(bodyOf(name, "b"));
    expect(refused).toMatchObject({ ok: 0, code: 13, codeName: "Unauthorized" });
    expect(refused["errmsg"]).toMatch(new RegExp(`^not authorized on b to execute command \\{ ${name}: `));
    // Not refused for want of a right: else the line above would hold for a command that nobody may run.
    const allowed = await root.command(name === "dropDatabase" ? bodyOf(name, "nothing") : { ...bodyOf(name, "none"), bogus: 1 });
    expect(allowed["code"]).not.toBe(13);
  });

  it("has left the other database as it was", async () => {
    expect(await engine.client.db("b").collection("things").find({}, { projection: { _id: 0 } }).toArray()).toEqual([{ owner: "b" }]);
    expect(await engine.client.db("b").command({ usersInfo: 1 })).toMatchObject({ users: [{ user: "bob" }] });
  });
});

describe("a role", () => {
  const may: Record<string, readonly string[]> = {
    find: ["read", "readWrite"], aggregate: ["read", "readWrite"], count: ["read", "readWrite"], distinct: ["read", "readWrite"], explain: ["read", "readWrite"],
    insert: ["readWrite"], update: ["readWrite"], delete: ["readWrite"], findAndModify: ["readWrite"],
    create: ["readWrite", "dbAdmin"], drop: ["readWrite", "dbAdmin"], createIndexes: ["readWrite", "dbAdmin"], dropIndexes: ["readWrite", "dbAdmin"],
    createSearchIndexes: ["readWrite", "dbAdmin"], updateSearchIndex: ["readWrite", "dbAdmin"], dropSearchIndex: ["readWrite", "dbAdmin"],
    collMod: ["dbAdmin"], dropDatabase: ["dbAdmin"],
    listCollections: ["read", "readWrite", "dbAdmin"], listIndexes: ["read", "readWrite", "dbAdmin"], dbStats: ["read", "readWrite", "dbAdmin"], collStats: ["read", "readWrite", "dbAdmin"],
    getMore: ["read", "readWrite"], killCursors: ["read", "readWrite"],
    createUser: ["userAdmin"], updateUser: ["userAdmin"], dropUser: ["userAdmin"], dropAllUsersFromDatabase: ["userAdmin"], usersInfo: ["userAdmin"],
    serverStatus: [], getParameter: [],
  };

  it("grants in its database what MongoDB's does, and no more", async () => {
    expect(Object.keys(may).toSorted()).toEqual(guarded.toSorted());
    const granted: Record<string, string[]> = Object.fromEntries(guarded.map((name) => [name, []]));
    for (const role of ["read", "readWrite", "dbAdmin", "userAdmin"]) {
      const connection = await signedIn(role, "a");
      for (const name of guarded) {
        // The unknown field is refused behind the door, so nothing is changed by what is allowed.
        const reply = await connection.command({ ...bodyOf(name, "a"), bogus: 1 });
        expect([13, 40415]).toContain(reply["code"]);
        if (reply["code"] !== 13) granted[name]?.push(role);
      }
      connection.close();
    }
    expect(granted).toEqual(may);
  });

  it("ends at options and collections that MongoDB guards apart", async () => {
    const writer = await signedIn("readWrite", "a");
    const unauthorized = { ok: 0, code: 13 };
    expect(await writer.command({ insert: "things", documents: [{}], bypassDocumentValidation: true, $db: "a" })).toMatchObject(unauthorized);
    expect(await ann.command({ insert: "things", documents: [{}], bypassDocumentValidation: true, $db: "a" })).toMatchObject({ ok: 1 });
    expect(await writer.command({ find: "system.users", $db: "a" })).toMatchObject(unauthorized);
    expect(await writer.command({ explain: { find: "system.users" }, $db: "a" })).toMatchObject(unauthorized);
    expect(await writer.command({ explain: { createUser: "x", pwd: "y", roles: [] }, $db: "a" })).toMatchObject(unauthorized);
    const administrator = await signedIn("dbAdmin", "a");
    const searchIndexes = { aggregate: "things", pipeline: [{ $listSearchIndexes: {} }], cursor: {}, $db: "a" };
    expect(await administrator.command(searchIndexes)).toMatchObject({ ok: 1 });
    expect(await administrator.command({ ...searchIndexes, pipeline: [] })).toMatchObject(unauthorized);
    writer.close();
    administrator.close();
  });

  it("can only be handed out by who may hand it out, so that nobody raises himself", async () => {
    const create = (roles: unknown[]): Promise<Document> => ann.command({ createUser: "raised", pwd: "pw", roles, $db: "a" });
    for (const roles of [["read", { role: "read", db: "b" }], [{ role: "root", db: "admin" }], [{ role: "readWriteAnyDatabase", db: "admin" }]]) {
      expect(await create(roles)).toMatchObject({ ok: 0, code: 13 });
    }
    // To set roles one must be able to revoke any, as on a server.
    expect(await ann.command({ updateUser: "ann", roles: ["dbOwner"], $db: "a" })).toMatchObject({ ok: 0, code: 13 });
    expect(await create(["read"])).toMatchObject({ ok: 1 });
    expect(await ann.command({ dropUser: "raised", $db: "a" })).toMatchObject({ ok: 1 });
  });

  it("of the admin database reaches every other, and what each says of itself is true", async () => {
    const reader = { role: "readAnyDatabase", db: "admin" };
    const administrator = { role: "userAdminAnyDatabase", db: "admin" };
    await engine.createUser("admin", "reader", [reader]);
    await engine.createUser("admin", "administrator", [administrator]);
    const readerConnection = await signedIn("reader", "admin");
    expect(await readerConnection.command({ find: "things", $db: "b" })).toMatchObject({ ok: 1 });
    expect(await readerConnection.command({ insert: "things", documents: [{}], $db: "b" })).toMatchObject({ ok: 0, code: 13 });
    expect(await readerConnection.command({ find: "things", $db: "local" })).toMatchObject({ ok: 0, code: 13 });
    const administratorConnection = await signedIn("administrator", "admin");
    expect(await administratorConnection.command({ find: "things", $db: "b" })).toMatchObject({ ok: 0, code: 13 });
    expect(await administratorConnection.command({ updateUser: "bob", roles: ["dbOwner", { role: "read", db: "a" }], $db: "b" })).toMatchObject({ ok: 1 });
    const status = await readerConnection.command({ connectionStatus: 1, showPrivileges: true, $db: "admin" });
    expect(status["authInfo"]).toMatchObject({ authenticatedUsers: [{ user: "reader", db: "admin" }], authenticatedUserRoles: [reader] });
    const privileges = (status["authInfo"] as Document)["authenticatedUserPrivileges"] as Document[];
    expect(privileges.map(({ resource }) => resource)).toEqual([{ db: "", collection: "" }, { cluster: true }]);
    readerConnection.close();
    administratorConnection.close();
  });
});
