import type { RowSealer } from "../row-sealer.js";
import type { TenantDatabase } from "../transaction.js";

/** One side of a move: where the rows lie, and how. */
export interface MovingHome {
  readonly database: TenantDatabase;
  readonly sealer: RowSealer;
}

/** Rows that a mover looks at again: those of `collection` whose `field` is `value`. */
export interface RowSet {
  readonly collection: string;
  readonly field: string;
  readonly value: string;
}

/** Rows by which set they are, each once. */
export class RowSets {
  readonly #sets = new Map<string, RowSet>();

  constructor(sets: Iterable<RowSet> = []) {
    this.add(sets);
  }

  add(sets: Iterable<RowSet>): void {
    for (const set of sets) this.#sets.set(JSON.stringify([set.collection, set.field, set.value]), set);
  }

  get size(): number {
    return this.#sets.size;
  }

  values(): IterableIterator<RowSet> {
    return this.#sets.values();
  }
}
