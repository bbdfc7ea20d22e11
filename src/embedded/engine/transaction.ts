/*
 * One multi-document transaction: a snapshot, an overlay and locks, in one database.
 * Before it: session-registry.ts; after it: one commit of the database file.
 */
import { EngineError } from "../engine-error.js";
import { Long } from "bson";
import type { Database } from "./database.js";
import { HOLDING_WAIT_MS_MAX, WorkUnit } from "./work-unit.js";
import { notServed } from "./errors.js";

/** The first statement holds nothing that others wait for, so it may queue for a hot document. */
const FIRST_STATEMENT_WAIT_MS_MAX = 5_000;

export class Transaction {
  state: "open" | "committed" | "aborted" = "open";
  /** Set when the first statement has been answered: from then on its snapshot cannot be exchanged. */
  answered = false;
  readonly #startedMs = Date.now();
  #unit: WorkUnit | undefined;

  constructor(
    readonly lsid: Buffer,
    readonly number: Long,
    readonly lifetimeMs: number,
  ) {}

  get database(): Database | undefined {
    return this.#unit?.database;
  }

  get isExpired(): boolean {
    return Date.now() - this.#startedMs > this.lifetimeMs;
  }

  /** The work of this transaction in `database`. Refuses a second database by name. */
  unitIn(database: Database): WorkUnit {
    if (!this.#unit) this.#unit = new WorkUnit(database, database.file.snapshot());
    if (this.#unit.database !== database) {
      throw notServed(`A transaction across databases ('${this.#unit.database.name}' and '${database.name}')`);
    }
    this.#unit.patienceMs = this.answered ? HOLDING_WAIT_MS_MAX : FIRST_STATEMENT_WAIT_MS_MAX;
    return this.#unit;
  }

  /** True when the statement may run again on a newer snapshot, because none has been answered yet. */
  renew(): boolean {
    if (this.answered || !this.#unit || Date.now() - this.#startedMs > FIRST_STATEMENT_WAIT_MS_MAX) return false;
    this.#unit.renewSnapshot();
    return true;
  }

  /** Throws EngineError 112 WriteConflict, after which the transaction is aborted. */
  async commit(): Promise<void> {
    const unit = this.#unit;
    try {
      if (unit && unit.changes.size > 0) {
        unit.sessionRecord = { lsid: this.lsid, describe: () => ({ t: this.number, at: new Date(), committed: true }) };
        await unit.flush();
      }
      this.state = "committed";
    } catch (error) {
      this.state = "aborted";
      throw error;
    } finally {
      this.#end();
    }
  }

  abort(): void {
    if (this.state === "open") this.state = "aborted";
    this.#end();
  }

  #end(): void {
    this.#unit?.discard();
    this.#unit?.snapshot?.release();
  }
}

export function noSuchTransaction(number: Long, reason: string): EngineError {
  return new EngineError(251, "NoSuchTransaction", `Given transaction number ${number.toString()} does not match any in-progress transactions: ${reason}`, [
    "TransientTransactionError",
  ]);
}
