/*
 * Fields that createUser and updateUser share, checked as MongoDB checks them.
 * Before it: the two commands; after it: auth/user-directory.ts.
 */
import { MECHANISM } from "../auth/scram-credentials.js";
import type { UserName } from "../auth/user-name.js";
import { fileNameOf } from "../engine/engine.js";
import { badValue, typeMismatch } from "../engine/errors.js";
import { requiredString } from "../engine/values.js";
import type { Doc } from "../semantics/bson-codec.js";
import type { CommandContext } from "./command.js";

/** With the database's name it stays below LMDB's limit of a key. */
const NAME_BYTES_MAX = 1_024;

/** The user a command names, in the database it is run on. */
export function namedUser({ body, databaseName }: CommandContext, field: string): UserName {
  const user = requiredString(body, field);
  // Refuses what cannot be a database's name: a user could not be told from one of another database.
  fileNameOf(databaseName);
  if (user === "" || user.includes("\0")) throw badValue("User document needs 'user' field to be non-empty and without NUL");
  if (Buffer.byteLength(user) > NAME_BYTES_MAX) throw badValue(`Got a user's name of ${Buffer.byteLength(user)} bytes, expected at most ${NAME_BYTES_MAX}`);
  return { db: databaseName, user };
}

export function refuseOtherMechanisms({ mechanisms, digestPassword }: Doc): void {
  if (digestPassword === false) throw badValue(`Use of ${MECHANISM} requires undigested passwords`);
  if (mechanisms === undefined) return;
  if (!Array.isArray(mechanisms)) throw typeMismatch("mechanisms", mechanisms, "array");
  if (mechanisms.length === 0) throw badValue("mechanisms field must not be empty");
  const other = (mechanisms as unknown[]).find((mechanism) => mechanism !== MECHANISM);
  if (other !== undefined) throw badValue(`Unknown auth mechanism '${String(other)}'`);
}
