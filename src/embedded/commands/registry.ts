/*
 * Every command the engine serves. What is not here is refused with CommandNotFound (59).
 * Before it: execute-command.ts; after it: one file each.
 */
import { abortTransaction } from "./abort-transaction.js";
import { aggregate } from "./aggregate.js";
import { collMod } from "./coll-mod.js";
import type { Command } from "./command.js";
import { commitTransaction } from "./commit-transaction.js";
import { connectionStatus } from "./connection-status.js";
import { count } from "./count.js";
import { createIndexes } from "./create-indexes.js";
import { createUser } from "./create-user.js";
import { create } from "./create.js";
import { deleteCommand } from "./delete.js";
import { distinct } from "./distinct.js";
import { dropDatabase } from "./drop-database.js";
import { dropIndexes } from "./drop-indexes.js";
import { drop } from "./drop.js";
import { dropAllUsersFromDatabase, dropUser } from "./drop-user.js";
import { endSessions, refreshSessions } from "./end-sessions.js";
import { explain } from "./explain.js";
import { findAndModify } from "./find-and-modify.js";
import { find } from "./find.js";
import { getMore } from "./get-more.js";
import { hello, isMaster, ismaster } from "./hello.js";
import { insert } from "./insert.js";
import { killCursors } from "./kill-cursors.js";
import { listCollections } from "./list-collections.js";
import { listDatabases } from "./list-databases.js";
import { listIndexes } from "./list-indexes.js";
import { ping } from "./ping.js";
import { logout, saslContinue, saslStart } from "./sasl-commands.js";
import { createSearchIndexes, dropSearchIndex, updateSearchIndex } from "./search-index-commands.js";
import { buildInfo, buildinfo, collStats, dbStats, getParameter, serverStatus } from "./server-info.js";
import { update } from "./update.js";
import { updateUser } from "./update-user.js";
import { usersInfo } from "./users-info.js";

export const COMMANDS: readonly Command[] = [
  hello, isMaster, ismaster, ping,
  find, aggregate, count, distinct, explain, getMore, killCursors,
  insert, update, deleteCommand, findAndModify,
  commitTransaction, abortTransaction, endSessions, refreshSessions,
  create, collMod, drop, dropDatabase, listCollections, listDatabases,
  createIndexes, listIndexes, dropIndexes,
  createSearchIndexes, updateSearchIndex, dropSearchIndex,
  saslStart, saslContinue, logout, connectionStatus,
  createUser, updateUser, dropUser, dropAllUsersFromDatabase, usersInfo,
  buildInfo, buildinfo, getParameter, serverStatus, dbStats, collStats,
];

const BY_NAME = new Map(COMMANDS.map((command) => [command.name, command]));

/** Older drivers spell it in lower case. */
const ALIASES = new Map([["findandmodify", "findAndModify"]]);

export function findCommand(name: string): Command | undefined {
  return BY_NAME.get(ALIASES.get(name) ?? name);
}
