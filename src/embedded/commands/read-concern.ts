/*
 * Which read concerns one node can honour: what is committed here is majority-committed.
 * Before it: execute-command.ts; after it: the command.
 */
import { EngineError } from "../engine-error.js";
import { typeMismatch } from "../engine/errors.js";
import { isDoc } from "../engine/values.js";
import type { Doc } from "../semantics/bson-codec.js";
import type { Command } from "./command.js";

const LEVELS = new Set(["local", "available", "majority", "linearizable"]);

/** Throws EngineError 72 InvalidOptions or 9 FailedToParse. */
export function refuseReadConcern(command: Command, body: Doc): void {
  const concern = body["readConcern"];
  if (concern === undefined) return;
  if (!isDoc(concern)) throw typeMismatch("readConcern", concern, "object");
  const level = readConcernLevel(body);
  const inTransaction = body["autocommit"] === false;
  if (level === undefined || LEVELS.has(level)) return;
  if (level !== "snapshot") throw new EngineError(9, "FailedToParse", `Got read concern level '${level}', expected one of local, available, majority, linearizable, snapshot`);
  if (!inTransaction) {
    throw new EngineError(72, "InvalidOptions", `The command '${command.name}' with read concern level 'snapshot' outside a transaction is not served by this engine`);
  }
}

export function readConcernLevel(body: Doc): string | undefined {
  const concern = body["readConcern"];
  const level = isDoc(concern) ? concern["level"] : undefined;
  return level === undefined ? undefined : String(level);
}
