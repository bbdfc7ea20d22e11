/*
 * The built-in roles and what they grant, as MongoDB defines them; only actions that some command here asks for.
 * Before it: user-directory.ts; after it: grants.ts.
 */
import { EngineError } from "../engine-error.js";
import { badValue, typeMismatch } from "../engine/errors.js";
import { isDoc } from "../engine/values.js";
import type { Doc } from "../semantics/bson-codec.js";

const READ = ["collStats", "dbStats", "find", "killCursors", "listCollections", "listIndexes", "listSearchIndexes"] as const;
const READ_WRITE = [
  ...READ, "createCollection", "createIndex", "createSearchIndexes", "dropCollection", "dropIndex", "dropSearchIndex",
  "insert", "remove", "update", "updateSearchIndex",
] as const;
const DB_ADMIN = [
  "bypassDocumentValidation", "collMod", "collStats", "createCollection", "createIndex", "createSearchIndexes", "dbStats", "dropCollection",
  "dropDatabase", "dropIndex", "dropSearchIndex", "listCollections", "listIndexes", "listSearchIndexes", "updateSearchIndex",
] as const;
const USER_ADMIN = ["changeCustomData", "changePassword", "createUser", "dropUser", "grantRole", "revokeRole", "viewUser"] as const;
const MONITOR = ["getParameter", "listDatabases", "serverStatus"] as const;
const CLUSTER = [...MONITOR, "killAnyCursor", "viewUser"] as const;

export type Action =
  | (typeof READ_WRITE)[number]
  | (typeof DB_ADMIN)[number]
  | (typeof USER_ADMIN)[number]
  | (typeof CLUSTER)[number];

/** `anyDatabase` leaves out `local` and `config`, as MongoDB's "any normal resource" does; `everything` is root's. */
export type Scope = { readonly db: string } | "anyDatabase" | "everything" | "cluster";

export interface Privilege {
  readonly scope: Scope;
  readonly actions: readonly Action[];
}

export interface RoleName {
  readonly role: string;
  readonly db: string;
}

/** Roles every database has. */
const OF_A_DATABASE: ReadonlyMap<string, readonly Action[]> = new Map<string, readonly Action[]>([
  ["read", READ],
  ["readWrite", READ_WRITE],
  ["dbAdmin", DB_ADMIN],
  ["userAdmin", USER_ADMIN],
  ["dbOwner", unique([...READ_WRITE, ...DB_ADMIN, ...USER_ADMIN])],
]);

/** Roles of the admin database, which reach further. */
const OF_ADMIN: ReadonlyMap<string, readonly Privilege[]> = new Map<string, readonly Privilege[]>([
  ["readAnyDatabase", [{ scope: "anyDatabase", actions: READ }, { scope: "cluster", actions: ["listDatabases"] }]],
  ["readWriteAnyDatabase", [{ scope: "anyDatabase", actions: READ_WRITE }, { scope: "cluster", actions: ["listDatabases"] }]],
  ["dbAdminAnyDatabase", [{ scope: "anyDatabase", actions: DB_ADMIN }, { scope: "cluster", actions: ["listDatabases"] }]],
  ["userAdminAnyDatabase", [
    { scope: "anyDatabase", actions: USER_ADMIN },
    { scope: { db: "local" }, actions: USER_ADMIN },
    { scope: { db: "config" }, actions: USER_ADMIN },
    { scope: "cluster", actions: ["listDatabases", "viewUser"] },
  ]],
  ["clusterMonitor", [{ scope: "anyDatabase", actions: ["collStats", "dbStats"] }, { scope: "cluster", actions: MONITOR }]],
  ["root", [
    { scope: "everything", actions: unique([...READ_WRITE, ...DB_ADMIN, ...USER_ADMIN]) },
    { scope: "cluster", actions: CLUSTER },
  ]],
]);

export const ROOT_ROLE: RoleName = { role: "root", db: "admin" };

/** Throws EngineError 31 RoleNotFound. */
export function privilegesOf({ role, db }: RoleName): readonly Privilege[] {
  const actions = OF_A_DATABASE.get(role);
  if (actions) return [{ scope: { db }, actions }];
  const privileges = db === "admin" ? OF_ADMIN.get(role) : undefined;
  if (!privileges) throw new EngineError(31, "RoleNotFound", `Could not find role: ${role}@${db}`);
  return privileges;
}

/** `roles` of createUser and updateUser: a name means a role of `db`. Duplicates go. */
export function parseRoles(body: Doc, db: string): RoleName[] {
  const value = body["roles"];
  if (!Array.isArray(value)) throw typeMismatch("roles", value, "array");
  const roles = value.map((item): RoleName => {
    if (typeof item === "string") return { role: item, db };
    if (isDoc(item) && typeof item["role"] === "string" && typeof item["db"] === "string") return { role: item["role"], db: item["db"] };
    throw badValue("Role names must be either strings or objects with a 'role' and a 'db'");
  });
  return roles.filter((role, at) => roles.findIndex((other) => other.role === role.role && other.db === role.db) === at);
}

function unique<T>(items: readonly T[]): T[] {
  return [...new Set(items)];
}
