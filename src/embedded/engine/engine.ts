/*
 * All databases of one directory, opened when first used, with the sessions, cursors and clocks they share.
 * Before it: start-engine.ts; after it: database.ts.
 */
import { closeSync, existsSync, fsyncSync, openSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../engine-error.js";
import { decode, type Doc } from "../semantics/bson-codec.js";
import { residentBytesDefault } from "../vector/resident-budget.js";
import { CursorRegistry } from "./cursor-registry.js";
import { Database } from "./database.js";
import { DatabaseFile } from "./database-file.js";
import { sweepDroppedKeys } from "./dropped-keys.js";
import { sessionKey } from "./keys.js";
import { SearchIndexes } from "./search-indexes.js";
import { SessionRegistry } from "./session-registry.js";
import { Sweeper } from "./sweeper.js";

export interface EngineEvent {
  level: "info" | "warn" | "error";
  message: string;
}

export interface EngineOptions {
  dir: string;
  durable: boolean;
  /** Test switch: how late search indexes become queryable and see new documents. */
  searchIndexDelayMs: number;
  residentVectorBytes?: number;
  /** Test switch: a transaction that lives longer is aborted. Default MongoDB's 60 s. */
  transactionLifetimeMs?: number;
  onEvent(event: EngineEvent): void;
}

/** MongoDB's own `transactionLifetimeLimitSeconds`; an older snapshot would pin pages of the file. */
const TRANSACTION_LIFETIME_MS = 60_000;
const EXTENSION = ".mdb";
/** MongoDB's limit of a database name, in bytes. */
const NAME_BYTES_MAX = 63;

export class Engine {
  readonly cursors = new CursorRegistry();
  readonly sessions: SessionRegistry;
  readonly searchIndexes: SearchIndexes;
  /** Where clients reach it, as hello tells. */
  address = "";
  readonly startedMs = Date.now();
  readonly #databases = new Map<string, Database>();
  readonly #dropping = new Map<string, Promise<void>>();
  readonly #sweeper: Sweeper;

  constructor(readonly options: EngineOptions) {
    this.sessions = new SessionRegistry(options.transactionLifetimeMs ?? TRANSACTION_LIFETIME_MS);
    this.searchIndexes = new SearchIndexes(options.searchIndexDelayMs, options.residentVectorBytes ?? residentBytesDefault(), (error) => this.event("error", `Writing a search index failed: ${String(error)}`));
    this.#sweeper = new Sweeper(this);
  }

  /** The database, made when there is none. Throws EngineError 73 InvalidNamespace. */
  open(name: string): Database {
    const open = this.#databases.get(name);
    if (open) return open;
    if (this.#dropping.has(name)) throw new EngineError(215, "DatabaseDropPending", `The database '${name}' is being dropped`);
    const path = join(this.options.dir, fileNameOf(name));
    const isNew = !existsSync(path);
    const database = new Database(name, new DatabaseFile(path, this.options.durable), this.searchIndexes);
    this.#databases.set(name, database);
    if (isNew && this.options.durable) flushDirectory(this.options.dir);
    void this.#sweep(database);
    return database;
  }

  /** The database if it has ever been written; reading a missing one must not make a file. */
  existing(name: string): Database | undefined {
    if (this.#databases.has(name) || this.#dropping.has(name)) return this.#databases.get(name);
    return existsSync(join(this.options.dir, fileNameOf(name))) ? this.open(name) : undefined;
  }

  openDatabases(): Database[] {
    return [...this.#databases.values()];
  }

  names(): string[] {
    return readdirSync(this.options.dir)
      .filter((file) => file.endsWith(EXTENSION))
      .map((file) => nameOfFile(file.slice(0, -EXTENSION.length)))
      .toSorted();
  }

  /** Removes the database with its file, so that dropped data does not stay on the disk. */
  async dropDatabase(name: string): Promise<void> {
    const database = this.existing(name);
    if (!database) return;
    this.#databases.delete(name);
    this.sessions.abortAll(database);
    for (const collection of database.catalog.all()) this.searchIndexes.close(database, collection);
    const dropping = this.#removeFile(database, name);
    this.#dropping.set(name, dropping);
    await dropping.finally(() => this.#dropping.delete(name));
  }

  /** Resolves when no file of that name is being removed: a new one must not be opened under it. */
  async settled(name: string): Promise<void> {
    await this.#dropping.get(name);
  }

  /** The durable record of the last retryable write or transaction of a session, wherever it was. */
  sessionRecord(lsid: Buffer): Doc | undefined {
    for (const name of this.names()) {
      const bytes = this.existing(name)?.file.latest.get(sessionKey(lsid));
      if (bytes) return decode(bytes);
    }
    return undefined;
  }

  event(level: EngineEvent["level"], message: string): void {
    this.options.onEvent({ level, message });
  }

  async close(): Promise<void> {
    await this.#sweeper.stop();
    this.sessions.abortAll();
    await Promise.all(this.#dropping.values());
    await this.searchIndexes.settle();
    for (const database of this.#databases.values()) await database.file.close();
    this.#databases.clear();
  }

  async #removeFile(database: Database, name: string): Promise<void> {
    await database.file.close();
    const path = join(this.options.dir, fileNameOf(name));
    rmSync(path, { force: true });
    rmSync(`${path}-lock`, { force: true });
  }

  async #sweep(database: Database): Promise<void> {
    try {
      await sweepDroppedKeys(database.file);
    } catch (error) {
      if (!database.file.isClosed) this.event("error", `Removing dropped keys of '${database.name}' failed: ${String(error)}`);
    }
  }
}

/** A new file survives a power cut only when the directory that names it has been flushed too. */
function flushDirectory(dir: string): void {
  const handle = openSync(dir, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** Injective, also on disks that ignore case: whatever is not a lower-case letter, digit, - or _ becomes +hex. */
export function fileNameOf(name: string): string {
  const bytes = Buffer.from(name, "utf8");
  if (bytes.length === 0 || bytes.length > NAME_BYTES_MAX || /[/\\. "$*<>:|?\0]/.test(name)) {
    throw new EngineError(73, "InvalidNamespace", `Invalid database name: '${name}'`);
  }
  const encoded = [...bytes].map((byte) => {
    const char = String.fromCharCode(byte);
    return /[a-z0-9_-]/.test(char) ? char : `+${byte.toString(16).padStart(2, "0")}`;
  });
  return `${encoded.join("")}${EXTENSION}`;
}

function nameOfFile(encoded: string): string {
  const bytes = encoded.replace(/\+([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, "latin1").toString("utf8");
}
