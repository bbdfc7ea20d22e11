/*
 * What a command is and what it is given. One file each; registry.ts lists them, execute-command.ts runs them.
 */
import type { Long } from "bson";
import type { Client } from "../auth/client.js";
import type { KnownUser } from "../auth/known-user.js";
import type { UserDirectory } from "../auth/user-directory.js";
import { EngineError } from "../engine-error.js";
import { encode, decode, type Doc } from "../semantics/bson-codec.js";
import type { Breath } from "../engine/breathe.js";
import type { Database } from "../engine/database.js";
import type { Engine } from "../engine/engine.js";
import { typeMismatch } from "../engine/errors.js";
import type { Session } from "../engine/session-registry.js";
import type { Transaction } from "../engine/transaction.js";
import { isDoc, lsidBytes } from "../engine/values.js";
import { WorkUnit, type StoredDocument } from "../engine/work-unit.js";

export interface Command {
  readonly name: string;
  /** Fields of the command itself, besides those every command takes; any other is refused by name. */
  readonly fields: readonly string[];
  /** May stand inside a multi-document transaction. */
  readonly inTransaction?: boolean;
  /** One line for the folder's README: what is served and what is refused. */
  readonly served: string;
  run(context: CommandContext): Promise<Doc | Buffer> | Doc | Buffer;
}

export interface CommandContext {
  readonly engine: Engine;
  readonly databaseName: string;
  readonly body: Doc;
  readonly sequences: ReadonlyMap<string, Buffer[]>;
  readonly users: UserDirectory;
  readonly client: Client;
  /** Whom the connection has proved to be, also when nothing is enforced. */
  readonly caller: KnownUser | undefined;
  /** The same as a word, when users are enforced: whose cursors are. */
  readonly owner: string | undefined;
  /** Follows a session's id: empty, or whose it is when users are enforced. */
  readonly sessionSuffix: Buffer;
  readonly breath: Breath;
  readonly session: Session | undefined;
  readonly transaction: Transaction | undefined;
  /** Of a retryable write outside a transaction. */
  readonly txnNumber: Long | undefined;
}

/** The collection a command names. Throws EngineError 73 InvalidNamespace. */
export function collectionName(context: CommandContext, field: string): string {
  const name = context.body[field];
  if (typeof name !== "string") throw new EngineError(73, "InvalidNamespace", `collection name has invalid type ${typeof name}, expected a string`);
  if (name === "" || name.includes("\0") || name.includes("$") || name.startsWith(".") || name.endsWith(".")) {
    throw new EngineError(73, "InvalidNamespace", `Invalid namespace specified '${context.databaseName}.${name}'`);
  }
  return name;
}

export function namespaceOf(context: CommandContext, collection: string): string {
  return `${context.databaseName}.${collection}`;
}

/** MongoDB's sessions are keyed by id and user: a session of another user's id is another session. */
export function sessionId(suffix: Buffer, lsid: unknown): Buffer {
  return Buffer.concat([lsidBytes(lsid), suffix]);
}

/** What a read sees: the transaction's snapshot, or the latest committed state; undefined when there is no such database. */
export function readUnit(context: CommandContext): WorkUnit | undefined {
  const { engine, transaction, databaseName } = context;
  if (transaction) return transaction.unitIn(engine.open(databaseName));
  const database = engine.existing(databaseName);
  return database && new WorkUnit(database);
}

/** The database for a write, made when there is none. */
export async function writableDatabase(context: CommandContext): Promise<Database> {
  await context.engine.settled(context.databaseName);
  return context.engine.open(context.databaseName);
}

/** Documents of a field that drivers send as a sequence beside the body or as an array in it. */
export function sentDocuments(context: CommandContext, field: string): StoredDocument[] {
  const sequence = context.sequences.get(field);
  if (sequence) return sequence.map((bytes) => ({ bytes, doc: decode(bytes) }));
  const value = context.body[field];
  if (!Array.isArray(value)) throw typeMismatch(field, value, "array");
  return value.map((item) => {
    if (!isDoc(item)) throw typeMismatch(field, item, "object");
    return { bytes: encode(item), doc: item };
  });
}

/** MongoDB's `maxWriteBatchSize`. */
export const WRITE_BATCH_MAX = 100_000;

export function refuseBatchSize(count: number): void {
  if (count >= 1 && count <= WRITE_BATCH_MAX) return;
  throw new EngineError(16, "InvalidLength", `Write batch sizes must be between 1 and ${WRITE_BATCH_MAX}. Got ${count} operations.`);
}
