/** A user of one database, who is to have rights to it and to nothing else. */
export interface DatabaseUser {
  readonly database: string;
  readonly password: string;
}

/**
 * The least built-in role that serves the stores: find, aggregate with `$vectorSearch`, insert,
 * update, remove, all inside transactions. It also makes and drops collections and indexes of its
 * own database; validators (`collMod`), `dropDatabase` and users are beyond it.
 */
export const narrowRole = "readWrite";

/** Where the users are known, also on Atlas, which has no other place. */
export const usersDatabase = "admin";

/** Makes users with rights to one database, by one of the means a deployment may allow. */
export interface DatabaseUsers {
  readonly means: "CREATE_USER" | "ATLAS_API";
  /** How long a user that was made may be refused before something is wrong, in ms. */
  readonly loginWithinMs: number;
  /** Whether there is no such user, or one with other rights. Asked before each login, so it must be quick to tell; false when it is not. */
  isMissing(database: string): Promise<boolean>;
  /** Makes the user, or brings it to this password and these rights. */
  put(user: DatabaseUser): Promise<void>;
  /** False when there was none. */
  drop(database: string): Promise<boolean>;
}

/** Both means name a user after its database: the prefix keeps two installations on one deployment apart. */
export function userNameOf(database: string): string {
  return database;
}

/** What stands between databases on one cluster. */
export type Separation = { readonly kind: "OWN"; readonly users: DatabaseUsers } | { readonly kind: "SHARED"; readonly why: string };
