import type { Document } from "mongodb";
import type { CollectionName } from "../rows.js";
import type { RowSealer } from "../row-sealer.js";
import { withKeys } from "../sealing/with-keys.js";
import type { TenantDatabase } from "../transaction.js";

/** One side of a move: where the rows lie, and how. */
export interface MovingHome {
  readonly database: TenantDatabase;
  readonly sealer: RowSealer;
}

/** Runs a batch when it may go: a mover lets what tenants wait for go first. */
export type InTurn = <T>(batch: () => Promise<T>) => Promise<T>;

/** The row in the clear. Reads the keys again when they are old or the row was sealed with a newer one: a move outlasts both. */
export function clearRow({ sealer }: MovingHome, collection: CollectionName, row: Document): Promise<Document> {
  return withKeys(sealer, async () => sealer.open(collection, row));
}

/** A clear row as it is to lie here. */
export function storedRow({ sealer }: MovingHome, collection: CollectionName, row: Document): Promise<Document> {
  return withKeys(sealer, async () => sealer.seal(collection, row));
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
