/*
 * What each command asks of its caller, in one table. A command without an entry is refused to everybody.
 * Before it: authorize.ts; after it: grants.ts. Source: MongoDB's privilege actions, as its commands check them.
 */
import { badValue } from "../engine/errors.js";
import { flag, isDoc } from "../engine/values.js";
import type { Doc } from "../semantics/bson-codec.js";
import type { Need } from "./grants.js";
import type { KnownUser } from "./known-user.js";
import { parseRoles, type Action } from "./roles.js";
import { askedUsers } from "./asked-users.js";
import { userKey } from "./user-name.js";

/** `key`: the command's name as it was sent, whose value is what it is run on. */
export interface Asked {
  readonly key: string;
  readonly body: Doc;
  readonly db: string;
  readonly caller: KnownUser | undefined;
}

/** `open` is for strangers too, `authenticated` for every user; "revokesAny": to set roles one must be able to take any. */
export type Access = "open" | "authenticated" | ((asked: Asked) => readonly (Need | "revokesAny")[]);

const onDatabase = (action: Action) => ({ db }: Asked) => [{ action, db }];
const onCluster = (action: Action) => () => [{ action, cluster: true as const }];

function onCollection(...actions: Action[]): (asked: Asked) => Need[] {
  return ({ key, body, db }) => actions.map((action) => needOn(action, db, body[key]));
}

function needOn(action: Action, db: string, collection: unknown): Need {
  return typeof collection === "string" ? { action, db, collection } : { action, db };
}

/** Of a write: a validator is the administrator's, so going around it is too. */
function writes(...actions: Action[]): (asked: Asked) => Need[] {
  return (asked) => [...onCollection(...actions)(asked), ...(flag(asked.body, "bypassDocumentValidation") ? onCollection("bypassDocumentValidation")(asked) : [])];
}

function aggregates(asked: Asked): Need[] {
  const { pipeline } = asked.body;
  const first: unknown = Array.isArray(pipeline) ? pipeline[0] : undefined;
  return isDoc(first) && "$listSearchIndexes" in first ? onCollection("listSearchIndexes")(asked) : writes("find")(asked);
}

/** Whose cursor it is is asked of the cursor itself. */
function continues({ body, db }: Asked): Need[] {
  const { collection } = body;
  return collection === "$cmd.listCollections" ? [{ action: "listCollections", db }] : [needOn("find", db, collection)];
}

function explains({ body, db, key, caller }: Asked): readonly (Need | "revokesAny")[] {
  const inner = body[key];
  if (!isDoc(inner)) throw badValue("Got an explain without a command");
  const name = Object.keys(inner)[0] ?? "";
  const access = name === "explain" ? undefined : accessTo(name);
  // What has no entry cannot be explained either, and the command says so by name.
  return typeof access === "function" ? access({ key: name, body: inner, db, caller }) : [];
}

function createsUser({ body, db }: Asked): Need[] {
  return [{ action: "createUser", db }, ...grants(body, db)];
}

function updatesUser({ body, db }: Asked): (Need | "revokesAny")[] {
  return [
    ...(body["pwd"] !== undefined || body["mechanisms"] !== undefined ? [{ action: "changePassword" as const, db }] : []),
    ...(body["customData"] === undefined ? [] : [{ action: "changeCustomData" as const, db }]),
    ...(body["roles"] === undefined ? [] : ["revokesAny" as const, ...grants(body, db)]),
  ];
}

function grants(body: Doc, db: string): Need[] {
  return parseRoles(body, db).map((role) => ({ action: "grantRole", db: role.db }));
}

/** Everybody may ask about himself. */
function viewsUsers({ body, key, db, caller }: Asked): Need[] {
  const asked = askedUsers(body[key], db);
  if (asked.kind === "everywhere") return [{ action: "viewUser", cluster: true }];
  if (asked.kind === "database") return [{ action: "viewUser", db }];
  const own = caller && userKey(caller.name);
  return asked.names.filter((name) => userKey(name) !== own).map((name) => ({ action: "viewUser", db: name.db }));
}

const TABLE: ReadonlyMap<string, Access> = new Map<string, Access>([
  ["hello", "open"], ["isMaster", "open"], ["ismaster", "open"], ["ping", "open"],
  ["saslStart", "open"], ["saslContinue", "open"], ["logout", "open"],
  ["buildInfo", "open"], ["buildinfo", "open"], ["connectionStatus", "open"],

  // Of a transaction the statements were asked about; a session is its user's own.
  ["commitTransaction", "authenticated"], ["abortTransaction", "authenticated"],
  ["endSessions", "authenticated"], ["refreshSessions", "authenticated"],
  // Shows only what the caller reaches.
  ["listDatabases", "authenticated"],

  ["find", onCollection("find")], ["count", onCollection("find")], ["distinct", onCollection("find")],
  ["aggregate", aggregates], ["explain", explains],
  ["getMore", continues], ["killCursors", onCollection("killCursors")],
  ["insert", writes("insert")], ["update", writes("update", "insert")], ["delete", onCollection("remove")],
  ["findAndModify", writes("find", "update", "insert", "remove")],

  ["create", onCollection("createCollection")], ["collMod", onCollection("collMod")], ["drop", onCollection("dropCollection")],
  ["dropDatabase", onDatabase("dropDatabase")], ["listCollections", onDatabase("listCollections")],
  ["createIndexes", onCollection("createIndex")], ["listIndexes", onCollection("listIndexes")], ["dropIndexes", onCollection("dropIndex")],
  ["createSearchIndexes", onCollection("createSearchIndexes")], ["updateSearchIndex", onCollection("updateSearchIndex")],
  ["dropSearchIndex", onCollection("dropSearchIndex")],

  ["dbStats", onDatabase("dbStats")], ["collStats", onCollection("collStats")],
  ["serverStatus", onCluster("serverStatus")], ["getParameter", onCluster("getParameter")],

  ["createUser", createsUser], ["updateUser", updatesUser], ["usersInfo", viewsUsers],
  ["dropUser", onDatabase("dropUser")], ["dropAllUsersFromDatabase", onDatabase("dropUser")],
]);

export function accessTo(command: string): Access | undefined {
  return TABLE.get(command);
}
