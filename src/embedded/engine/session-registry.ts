/*
 * Sessions of drivers: one statement at a time each, and at most one open transaction.
 * Before it: commands/execute-command.ts; after it: transaction.ts.
 */
import type { Long } from "bson";
import { EngineError } from "../engine-error.js";
import type { Database } from "./database.js";
import { keyText } from "./keys.js";
import { noSuchTransaction, Transaction } from "./transaction.js";

/** Told to drivers in hello; MongoDB's own default. */
export const SESSION_IDLE_MINUTES_MAX = 30;
const MINUTE_MS = 60_000;

export class Session {
  transaction: Transaction | undefined;
  lastUsedMs = Date.now();
  #tail: Promise<unknown> = Promise.resolve();
  #pending = 0;

  constructor(
    readonly lsid: Buffer,
    readonly transactionLifetimeMs: number,
  ) {}

  get isBusy(): boolean {
    return this.#pending > 0;
  }

  /** A retry may arrive on a new connection while the first attempt still runs: it waits for its turn. */
  async inTurn<T>(work: () => Promise<T>): Promise<T> {
    this.#pending += 1;
    const turn = this.#tail.then(work);
    this.#tail = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      this.#pending -= 1;
      this.lastUsedMs = Date.now();
    }
  }

  /** Starts a transaction; an older open one of the session is given up. */
  begin(number: Long): Transaction {
    const current = this.transaction;
    if (current && current.number.greaterThan(number)) throw tooOld(number, current.number);
    if (current && current.number.equals(number)) {
      throw new EngineError(50911, "Location50911", `Cannot start a transaction at given transaction number ${number.toString()} a transaction with the same number is in state ${current.state}`);
    }
    current?.abort();
    this.transaction = new Transaction(this.lsid, number, this.transactionLifetimeMs);
    return this.transaction;
  }

  /** The open transaction a statement continues. Throws EngineError 251 NoSuchTransaction. */
  continue(number: Long): Transaction {
    const current = this.transaction;
    if (!current || !current.number.equals(number)) throw noSuchTransaction(number, "it was never started here");
    if (current.state === "committed") {
      throw new EngineError(256, "TransactionCommitted", `Transaction ${number.toString()} has been committed.`);
    }
    if (current.state === "aborted") throw noSuchTransaction(number, "it has been aborted");
    return current;
  }
}

export class SessionRegistry {
  readonly #sessions = new Map<string, Session>();

  constructor(readonly transactionLifetimeMs: number) {}

  get(lsid: Buffer): Session {
    const text = keyText(lsid);
    let session = this.#sessions.get(text);
    if (!session) this.#sessions.set(text, (session = new Session(lsid, this.transactionLifetimeMs)));
    session.lastUsedMs = Date.now();
    return session;
  }

  async end(lsid: Buffer): Promise<void> {
    const session = this.#sessions.get(keyText(lsid));
    this.#sessions.delete(keyText(lsid));
    await session?.inTurn(async () => session.transaction?.abort());
  }

  /** Gives up transactions that live too long and forgets idle sessions. */
  expire(nowMs: number): void {
    for (const [text, session] of this.#sessions) {
      const transaction = session.transaction;
      if (transaction?.state === "open" && transaction.isExpired) void session.inTurn(async () => transaction.abort());
      else if (!session.isBusy && nowMs - session.lastUsedMs > SESSION_IDLE_MINUTES_MAX * MINUTE_MS) this.#sessions.delete(text);
    }
  }

  /** Of a user who is dropped. In turn, so that a statement that runs does not lose its snapshot under its feet. */
  abortOwnedBy(digest: Buffer): void {
    for (const session of this.#sessions.values()) {
      if (session.lsid.subarray(-digest.length).equals(digest)) void session.inTurn(async () => session.transaction?.abort());
    }
  }

  /** For a database that is dropped, or all when the engine closes. */
  abortAll(database?: Database): void {
    for (const session of this.#sessions.values()) {
      if (!database || session.transaction?.database === database) session.transaction?.abort();
    }
  }
}

export function tooOld(number: Long, newer: Long): EngineError {
  return new EngineError(225, "TransactionTooOld", `Cannot start transaction with number ${number.toString()} because a newer one with number ${newer.toString()} is known`);
}
