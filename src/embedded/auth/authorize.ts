/*
 * May this connection run this command? Asked before anything else is done with it.
 * Before it: commands/execute-command.ts; after it: command-access.ts.
 */
import { EngineError } from "../engine-error.js";
import { typeMismatch } from "../engine/errors.js";
import type { Doc } from "../semantics/bson-codec.js";
import type { Client } from "./client.js";
import { accessTo } from "./command-access.js";
import type { KnownUser } from "./known-user.js";
import type { UserDirectory } from "./user-directory.js";

export interface AskedCommand {
  /** As the registry knows it. */
  readonly name: string;
  /** As it was sent. */
  readonly key: string;
  readonly body: Doc;
}

/** Who the caller is, also when nothing is enforced. Throws EngineError 13 Unauthorized. */
export function authorize(users: Pick<UserDirectory, "enforced" | "find">, client: Client, command: AskedCommand): KnownUser | undefined {
  const caller = client.user(users.find);
  if (users.enforced) refuse(command, caller);
  return caller;
}

function refuse({ name, key, body }: AskedCommand, caller: KnownUser | undefined): void {
  const access = accessTo(name);
  if (access === "open") return;
  if (!caller) throw unauthorized(`Command ${name} requires authentication`);
  if (access === "authenticated") return;
  const db = body["$db"];
  if (typeof db !== "string") throw typeMismatch("$db", db, "string");
  const { grants } = caller;
  const needs = access?.({ key, body, db, caller });
  if (needs?.every((need) => (need === "revokesAny" ? grants.allowsOnAnyDatabase("revokeRole") : grants.allows(need)))) return;
  throw unauthorized(`not authorized on ${db} to execute command { ${name}: ${shown(body[key])}, $db: "${db}" }`);
}

/** The rest of the command stays out: a log of refusals must hold no documents and no passwords. */
function shown(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : "1";
}

export function unauthorized(message: string): EngineError {
  return new EngineError(13, "Unauthorized", message);
}
