import { MongoBulkWriteError, type Collection } from "mongodb";
import { duplicateKey } from "./duplicate-key.js";
import type { HourClaims } from "./hour-claims.js";
import type { UsageDocument } from "./usage-documents.js";

interface Waiting {
  readonly row: UsageDocument;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Rows of one commit. Bounds the size of one insert, and how much one failure concerns. */
const rowsMax = 500;

/**
 * Commits rows of concurrent requests together, as a group commit does: while one insert is on its
 * way the next rows gather. Each caller is told only when its own row is durable.
 */
export class LedgerWriter {
  #waiting: Waiting[] = [];
  #running = false;

  constructor(private readonly usage: Collection<UsageDocument>, private readonly claims: HourClaims) {}

  append(row: UsageDocument): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ row, resolve, reject });
      if (!this.#running) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, rowsMax);
      await this.#commit(batch);
    }
    this.#running = false;
  }

  async #commit(batch: readonly Waiting[]): Promise<void> {
    try {
      const rows = batch.map((waiting) => waiting.row);
      await this.claims.during(rows, () => this.usage.insertMany(rows, { ordered: false, writeConcern: { w: "majority" } }));
      for (const waiting of batch) waiting.resolve();
    } catch (error) {
      settleAfterFailure(batch, error);
    }
  }
}

function settleAfterFailure(batch: readonly Waiting[], error: unknown): void {
  const failures = error instanceof MongoBulkWriteError ? [error.writeErrors].flat() : [];
  const concernFailed = error instanceof MongoBulkWriteError && error.result.getWriteConcernError() !== undefined;
  // The driver also wraps what went wrong before any row was tried, such as a wait for a connection: an error of no row is an error of all.
  if (failures.length === 0 || concernFailed) {
    for (const waiting of batch) waiting.reject(error);
    return;
  }
  // A duplicate is a row that has landed before: for its caller that is success.
  const failed = new Set(failures.filter((failure) => failure.code !== duplicateKey).map((failure) => failure.index));
  batch.forEach((waiting, index) => {
    if (failed.has(index)) waiting.reject(error);
    else waiting.resolve();
  });
}
