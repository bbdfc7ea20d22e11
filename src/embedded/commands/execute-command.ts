/*
 * The one door for commands: finds it, checks its fields, its session and its transaction, and shapes errors.
 * Before it: wire/connection.ts; after it: the command's own file.
 */
import { Long } from "bson";
import { authorize } from "../auth/authorize.js";
import type { Client } from "../auth/client.js";
import type { KnownUser } from "../auth/known-user.js";
import type { UserDirectory } from "../auth/user-directory.js";
import { EngineError } from "../engine-error.js";
import { Breath } from "../engine/breathe.js";
import type { Engine } from "../engine/engine.js";
import { badValue, typeMismatch } from "../engine/errors.js";
import type { Session } from "../engine/session-registry.js";
import type { Transaction } from "../engine/transaction.js";
import { asNumber, isDoc, isNumber, nonNegativeInteger } from "../engine/values.js";
import type { Doc } from "../semantics/bson-codec.js";
import type { Request } from "../wire/message.js";
import { sessionId, type Command, type CommandContext } from "./command.js";
import { refuseReadConcern } from "./read-concern.js";
import { findCommand } from "./registry.js";

const GENERIC_FIELDS = new Set([
  "$db", "lsid", "txnNumber", "autocommit", "startTransaction", "readConcern", "writeConcern", "maxTimeMS", "comment",
  "$clusterTime", "$readPreference", "apiVersion", "apiStrict", "apiDeprecationErrors", "$audit", "$client", "$configServerState",
]);

const NO_SUFFIX = Buffer.alloc(0);

export interface Server {
  readonly engine: Engine;
  readonly users: UserDirectory;
}

export async function executeCommand(server: Server, request: Request, client: Client): Promise<Doc | Buffer> {
  const { engine, users } = server;
  try {
    const name = Object.keys(request.body)[0] ?? "";
    const command = findCommand(name);
    if (!command) throw new EngineError(59, "CommandNotFound", `no such command: '${name}'`);
    // First of all: a stranger makes no session and learns nothing from how a command is refused.
    const caller = authorize(users, client, { name: command.name, key: name, body: request.body });
    refuseUnknownFields(command, request.body);
    return withWriteConcernError(await runInSession({ server, client, caller, request }, command), request.body);
  } catch (error) {
    if (!(error instanceof EngineError)) engine.event("error", `A command failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    return errorReply(error);
  }
}

export function errorReply(error: unknown): Doc {
  if (!(error instanceof EngineError)) {
    return { ok: 0, errmsg: "The engine met an internal error", code: 1, codeName: "InternalError" };
  }
  const { code, codeName, message, errorLabels, details } = error;
  const labels = errorLabels.length > 0 ? { errorLabels: [...errorLabels] } : {};
  return { ok: 0, errmsg: message, code, codeName, ...labels, ...details };
}

function refuseUnknownFields(command: Command, body: Doc): void {
  for (const field of Object.keys(body).slice(1)) {
    if (GENERIC_FIELDS.has(field) || command.fields.includes(field)) continue;
    throw new EngineError(40415, "Location40415", `BSON field '${command.name}.${field}' is an unknown field.`);
  }
}

interface Call {
  readonly server: Server;
  readonly client: Client;
  readonly caller: KnownUser | undefined;
  readonly request: Request;
}

async function runInSession(call: Call, command: Command): Promise<Doc | Buffer> {
  const { engine, users } = call.server;
  const { body } = call.request;
  const owner = users.enforced ? call.caller : undefined;
  const sessionSuffix = owner?.sessionSuffix ?? NO_SUFFIX;
  // A stranger gets no session: nothing he may call needs one, and each would be kept for half an hour.
  const hasSession = body["lsid"] !== undefined && (owner !== undefined || !users.enforced);
  const session = hasSession ? engine.sessions.get(sessionId(sessionSuffix, body["lsid"])) : undefined;
  const txnNumber = body["txnNumber"] === undefined ? undefined : toLong(body["txnNumber"]);
  const run = (transaction?: Transaction): Promise<Doc | Buffer> => {
    const context = { ...contextOf(call), owner: owner?.key, sessionSuffix, session, transaction, txnNumber };
    return Promise.resolve().then(() => command.run(context));
  };
  refuseReadConcern(command, body);
  if (!session || txnNumber === undefined) return run();
  // One numbered statement of a session at a time: a retry must find what the first attempt did.
  return session.inTurn(() => (body["autocommit"] === false ? runInTransaction(engine, command, body, session, txnNumber, run) : run()));
}

async function runInTransaction(
  engine: Engine,
  command: Command,
  body: Doc,
  session: Session,
  number: Long,
  run: (transaction?: Transaction) => Promise<Doc | Buffer>,
): Promise<Doc | Buffer> {
  // These two find the transaction themselves: they may come again after it has ended.
  if (command.name === "commitTransaction" || command.name === "abortTransaction") return run();
  const transaction = body["startTransaction"] === true ? session.begin(number) : session.continue(number);
  try {
    if (!command.inTransaction) {
      throw new EngineError(263, "OperationNotSupportedInTransaction", `Cannot run '${command.name}' in a multi-document transaction.`);
    }
    if (transaction.isExpired) throw new EngineError(251, "NoSuchTransaction", `The transaction lived longer than ${transaction.lifetimeMs} ms and was aborted`, ["TransientTransactionError"]);
    return await runStatement(transaction, run);
  } catch (error) {
    // As on a server, any failed statement ends the transaction.
    engine.cursors.removeOwnedBy(transaction);
    transaction.abort();
    throw error;
  }
}

async function runStatement(transaction: Transaction, run: (transaction: Transaction) => Promise<Doc | Buffer>): Promise<Doc | Buffer> {
  for (;;) {
    try {
      const reply = await run(transaction);
      transaction.answered = true;
      return reply;
    } catch (error) {
      // Nothing was answered yet, so the client cannot tell one snapshot from a newer one.
      if (error instanceof EngineError && error.code === 112 && transaction.renew()) continue;
      throw error;
    }
  }
}

type CallContext = Omit<CommandContext, "owner" | "sessionSuffix" | "session" | "transaction" | "txnNumber">;

function contextOf({ server, client, caller, request: { body, sequences } }: Call): CallContext {
  const databaseName = body["$db"];
  if (typeof databaseName !== "string") throw typeMismatch("$db", databaseName, "string");
  const maxTimeMs = nonNegativeInteger(body, "maxTimeMS") ?? 0;
  const breath = new Breath(maxTimeMs > 0 ? Date.now() + maxTimeMs : undefined);
  return { ...server, client, caller, databaseName, body, sequences, breath };
}

/** As on a server, a write that asks for more nodes than there are is made, and then says that they are missing. */
function withWriteConcernError(reply: Doc | Buffer, body: Doc): Doc | Buffer {
  const concern = body["writeConcern"];
  if (!isDoc(concern) || Buffer.isBuffer(reply)) return reply;
  const w = concern["w"];
  if (w === undefined || w === "majority" || (isNumber(w) && asNumber(w) <= 1)) return reply;
  const errmsg = "Not enough data-bearing nodes: this engine is one node";
  return { ...reply, writeConcernError: { code: 100, codeName: "UnsatisfiableWriteConcern", errmsg } };
}

function toLong(value: unknown): Long {
  if (!isNumber(value)) throw badValue("Got a txnNumber that is no number");
  return Long.isLong(value) ? value : Long.fromNumber(asNumber(value));
}
