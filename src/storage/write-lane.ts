import { BulkheadError } from "../kernel/errors.js";
import type { TenantCheck } from "./belongs-to-tenant.js";
import { FenceRefused, openStripe, takeFence } from "./fence.js";
import type { Scope } from "./scope.js";
import { ensureTotals } from "./totals.js";
import { runTransaction, type TenantDatabase } from "./transaction.js";
import { WriteTurn } from "./write-turn.js";

type Work<Value> = (turn: WriteTurn) => Promise<Value>;

interface Waiting {
  readonly rows: number;
  readonly work: Work<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Writes of one transaction: beyond this a commit is not cheaper by the write, and a failure concerns more. */
const batchWritesMax = 64;
/** Rows of one transaction, unless a single write has more: keeps it far below MongoDB's 60 s. */
const batchRowsMax = 2_000;
/** A stripe can be closed between its making and its taking; a third time means that the tenant is moving. */
const fenceAttemptsMax = 3;

/** Thrown to abort a transaction whose fence did not match; never leaves this file. */
class FenceMissed extends Error {}

/**
 * Commits the concurrent writes of one tenant on this server together, as a group commit does: while
 * one transaction is on its way the next writes gather. Without it they would conflict on the fence
 * and on the totals, and every retry would make the next conflict likelier.
 */
export class WriteLane {
  readonly #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;

  constructor(
    private readonly database: TenantDatabase,
    private readonly scope: Scope,
    private readonly check: TenantCheck,
    private readonly stripe: string,
    private readonly epoch: number,
    private readonly onIdle: () => void,
  ) {}

  /**
   * Runs `work` in a fenced transaction; durable when this resolves. `work` may run more than once,
   * never twice with effect. `rows` is about how many rows it writes. Throws `FenceRefused`.
   */
  submit<Value>(rows: number, work: Work<Value>): Promise<Value> {
    return new Promise<Value>((resolve, reject) => {
      this.#waiting.push({ rows, work, resolve: resolve as (value: unknown) => void, reject });
      this.#running ??= this.#run();
    });
  }

  /** Resolves when nothing waits and nothing runs. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    // Writes that are submitted in the same turn of the event loop shall share the first transaction too.
    await Promise.resolve();
    while (this.#waiting.length > 0) await this.#commit(this.#takeBatch());
    this.#running = undefined;
    this.onIdle();
  }

  #takeBatch(): readonly Waiting[] {
    let count = 0;
    let rows = 0;
    for (const waiting of this.#waiting) {
      rows += waiting.rows;
      if (count > 0 && (count >= batchWritesMax || rows > batchRowsMax)) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    try {
      const values = await this.#transact(batch);
      batch.forEach((waiting, index) => waiting.resolve(values[index]));
    } catch (error) {
      // Alone, closed out, or cut off from the database: running the others singly would change nothing for them.
      if (batch.length === 1 || error instanceof FenceRefused || isOutage(error)) {
        for (const waiting of batch) waiting.reject(error);
        return;
      }
      for (const waiting of batch) await this.#commit([waiting]);
    }
  }

  async #transact(batch: readonly Waiting[]): Promise<readonly unknown[]> {
    const fence = { tenantId: this.scope.tenantId, stripe: this.stripe, epoch: this.epoch };
    for (let attempt = 1; attempt <= fenceAttemptsMax; attempt += 1) {
      try {
        return await runTransaction(this.database.client, async (session) => {
          const first = await takeFence(this.database, session, fence, batch.length);
          if (first === undefined) throw new FenceMissed();
          const values: unknown[] = [];
          for (const [index, waiting] of batch.entries()) {
            values.push(await waiting.work(new WriteTurn(this.database, this.scope, this.check, session, { stripe: this.stripe, seq: first + index })));
          }
          return values;
        });
      } catch (error) {
        if (!(error instanceof FenceMissed)) throw error;
        await openStripe(this.database, fence, (session, stamp) => ensureTotals(this.database.db, session, this.scope, stamp));
      }
    }
    throw new FenceRefused(this.scope.tenantId, this.epoch);
  }
}

function isOutage(error: unknown): boolean {
  return error instanceof BulkheadError && error.code === "SERVICE_UNAVAILABLE";
}
