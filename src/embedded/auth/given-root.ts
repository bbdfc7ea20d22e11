/*
 * The user who may do everything, given when the engine starts and stored nowhere: another password holds at the next start.
 * Before it: start-engine.ts's options; after it: user-directory.ts.
 */
import { UUID } from "bson";
import { EngineError } from "../engine-error.js";
import { Grants } from "./grants.js";
import type { KnownUser } from "./known-user.js";
import { ROOT_ROLE } from "./roles.js";
import { checkedPassword, deriveCredentials, ITERATIONS } from "./scram-credentials.js";
import { sessionDigest, userKey, type UserName } from "./user-name.js";

export interface GivenRoot {
  readonly user: string;
  /** Printable ASCII. */
  readonly password: string;
}

/** Throws Error in one line. */
export function givenRoot({ user, password }: GivenRoot, saltOf: (name: UserName) => Buffer): KnownUser {
  if (user === "" || user.includes("\0")) throw new Error("Got no name for the root user, expected a non-empty one");
  refusePassword(password);
  const name = { db: ROOT_ROLE.db, user };
  const salt = saltOf(name);
  // Derived beside the rest of the start: a first client derives its own side meanwhile, so nobody waits for it.
  const credentials = deriveCredentials(password, salt);
  credentials.catch(() => undefined);
  const roles = [ROOT_ROLE];
  return {
    id: new UUID().toHexString(),
    name,
    key: userKey(name),
    sessionSuffix: sessionDigest(name),
    roles,
    grants: new Grants(roles),
    customData: undefined,
    salt,
    iterations: ITERATIONS,
    credentials,
  };
}

function refusePassword(password: string): void {
  try {
    checkedPassword(password);
  } catch (error) {
    if (error instanceof EngineError) throw new Error(`The root user's password is refused: ${error.message}`, { cause: error });
    throw error;
  }
}
