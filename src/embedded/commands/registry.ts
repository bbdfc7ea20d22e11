/*
 * Every command the engine serves. What is not here is refused with CommandNotFound (59).
 * Before it: execute-command.ts; after it: one file each.
 */
import { abortTransaction } from "./abort-transaction.js";
import type { Command } from "./command.js";
import { commitTransaction } from "./commit-transaction.js";
import { createIndexes } from "./create-indexes.js";
import { deleteCommand } from "./delete.js";
import { endSessions, refreshSessions } from "./end-sessions.js";
import { findAndModify } from "./find-and-modify.js";
import { find } from "./find.js";
import { getMore } from "./get-more.js";
import { hello, isMaster, ismaster } from "./hello.js";
import { insert } from "./insert.js";
import { killCursors } from "./kill-cursors.js";
import { ping } from "./ping.js";
import { update } from "./update.js";

export const COMMANDS: readonly Command[] = [
  hello, isMaster, ismaster, ping,
  find, getMore, killCursors,
  insert, update, deleteCommand, findAndModify,
  commitTransaction, abortTransaction, endSessions, refreshSessions,
  createIndexes,
];

const BY_NAME = new Map(COMMANDS.map((command) => [command.name, command]));

/** Older drivers spell it in lower case. */
const ALIASES = new Map([["findandmodify", "findAndModify"]]);

export function findCommand(name: string): Command | undefined {
  return BY_NAME.get(ALIASES.get(name) ?? name);
}
