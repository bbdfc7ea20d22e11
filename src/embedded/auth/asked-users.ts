/*
 * Whom a usersInfo asks about: all of a database, all there are, or users by name.
 * Before it: command-access.ts and commands/users-info.ts.
 */
import { badValue } from "../engine/errors.js";
import { asNumber, isDoc, isNumber } from "../engine/values.js";
import type { UserName } from "./user-name.js";

export type AskedUsers = { readonly kind: "database" } | { readonly kind: "everywhere" } | { readonly kind: "named"; readonly names: readonly UserName[] };

export function askedUsers(value: unknown, db: string): AskedUsers {
  if (isNumber(value) && asNumber(value) === 1) return { kind: "database" };
  if (isDoc(value) && value["forAllDBs"] === true) return { kind: "everywhere" };
  const items = Array.isArray(value) ? (value as unknown[]) : [value];
  return { kind: "named", names: items.map((item) => nameOf(item, db)) };
}

function nameOf(item: unknown, db: string): UserName {
  if (typeof item === "string") return { db, user: item };
  if (isDoc(item) && typeof item["user"] === "string" && typeof item["db"] === "string") return { db: item["db"], user: item["user"] };
  throw badValue("User names must be either strings or objects with a 'user' and a 'db', and 1 means all of the database");
}
