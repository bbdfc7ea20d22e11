/*
 * What a retryable write did, kept with its session in the same commit: a retry is answered, not repeated.
 * Before it: the write commands; after it: work-unit.ts. Spec: "Retryable Writes".
 */
import type { Long } from "bson";
import { decode, type Doc } from "../semantics/bson-codec.js";
import { sessionKey } from "./keys.js";
import { tooOld } from "./session-registry.js";
import { asNumber } from "./values.js";
import type { WorkUnit } from "./work-unit.js";

export class StatementRecord {
  readonly #done = new Map<number, Doc>();

  private constructor(
    readonly lsid: Buffer,
    readonly txnNumber: Long,
  ) {}

  /** Throws EngineError 225 TransactionTooOld. */
  static load(unit: WorkUnit, lsid: Buffer, txnNumber: Long): StatementRecord {
    const record = new StatementRecord(lsid, txnNumber);
    const bytes = unit.view.get(sessionKey(lsid));
    if (!bytes) return record;
    const stored = decode(bytes);
    const known = stored["t"] as Long;
    if (known.greaterThan(txnNumber)) throw tooOld(txnNumber, known);
    if (known.equals(txnNumber) && Array.isArray(stored["s"])) {
      for (const item of stored["s"] as Doc[]) record.#done.set(asNumber(item["i"]), item["o"] as Doc);
    }
    return record;
  }

  outcomeOf(statement: number): Doc | undefined {
    return this.#done.get(statement);
  }

  /** To be called when the statement is staged, so that record and write share a commit. */
  note(unit: WorkUnit, statement: number, outcome: Doc): void {
    this.#done.set(statement, outcome);
    unit.sessionRecord ??= { lsid: this.lsid, describe: () => this.#describe() };
  }

  #describe(): Doc {
    return { t: this.txnNumber, at: new Date(), s: [...this.#done].map(([i, o]) => ({ i, o })) };
  }
}
