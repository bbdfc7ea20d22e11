/*
 * Who a user is: a name in the database that authenticates it. The same name in two databases is two users.
 */
import { createHash } from "node:crypto";

export interface UserName {
  readonly db: string;
  readonly user: string;
}

/** Injective: a database's name holds no dot, while a user's may hold anything. */
export function userKey({ db, user }: UserName): string {
  return `${db}.${user}`;
}

export function showUser({ db, user }: UserName): string {
  return `${user}@${db}`;
}

/** Appended to a session's id, as MongoDB does: the same lsid sent by another user is another session. */
export function sessionDigest(name: UserName): Buffer {
  return createHash("sha256").update(userKey(name), "utf8").digest();
}
