/*
 * What a user may do, worked out once when its roles are read, so that a command asks a few sets.
 * Before it: roles.ts; after it: authorize.ts.
 */
import type { Doc } from "../semantics/bson-codec.js";
import { privilegesOf, type Action, type Privilege, type RoleName } from "./roles.js";

/** One action on one thing: the cluster, a database, or a collection of it. */
export type Need = { readonly action: Action; readonly cluster: true } | { readonly action: Action; readonly db: string; readonly collection?: string };

/** What MongoDB's "any normal resource" leaves out. */
const NOT_NORMAL = new Set(["local", "config"]);

export class Grants {
  readonly #privileges: readonly Privilege[];
  readonly #cluster = new Set<Action>();
  readonly #everything = new Set<Action>();
  readonly #anyDatabase = new Set<Action>();
  readonly #databases = new Map<string, Set<Action>>();

  /** Throws EngineError 31 RoleNotFound. */
  constructor(roles: readonly RoleName[]) {
    this.#privileges = roles.flatMap((role) => [...privilegesOf(role)]);
    for (const { scope, actions } of this.#privileges) {
      const set = this.#setOf(scope);
      for (const action of actions) set.add(action);
    }
  }

  allows(need: Need): boolean {
    if ("cluster" in need) return this.#cluster.has(need.action);
    if (this.#everything.has(need.action)) return true;
    // MongoDB's database roles end where system collections begin.
    if (need.collection?.startsWith("system.") && need.collection !== "system.js") return false;
    if (this.#databases.get(need.db)?.has(need.action)) return true;
    return this.allowsOnAnyDatabase(need.action) && !NOT_NORMAL.has(need.db);
  }

  allowsOnAnyDatabase(action: Action): boolean {
    return this.#everything.has(action) || this.#anyDatabase.has(action);
  }

  /** Whether the database's existence is any of this user's business. */
  reaches(db: string): boolean {
    return this.#databases.has(db) || this.#everything.size > 0 || (this.#anyDatabase.size > 0 && !NOT_NORMAL.has(db));
  }

  /** As connectionStatus and usersInfo print them. */
  describe(): Doc[] {
    return this.#privileges.map(({ scope, actions }) => ({ resource: resourceOf(scope), actions: actions.toSorted() }));
  }

  #setOf(scope: Privilege["scope"]): Set<Action> {
    if (scope === "cluster") return this.#cluster;
    if (scope === "everything") return this.#everything;
    if (scope === "anyDatabase") return this.#anyDatabase;
    const set = this.#databases.get(scope.db) ?? new Set();
    this.#databases.set(scope.db, set);
    return set;
  }
}

function resourceOf(scope: Privilege["scope"]): Doc {
  if (scope === "cluster") return { cluster: true };
  if (scope === "everything") return { anyResource: true };
  return { db: scope === "anyDatabase" ? "" : scope.db, collection: "" };
}
