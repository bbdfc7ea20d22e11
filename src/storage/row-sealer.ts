import type { Document } from "mongodb";
import type { CollectionName } from "./rows.js";

/**
 * How the rows of one tenant lie in one home: in the clear in the pool, under the tenant's own key in
 * its silo. `ScopedReader`, `ScopedWriter` and the mover pass every row through it; what is above
 * them sees clear rows alone.
 */
export interface RowSealer {
  /** The row as it is stored here. */
  seal(collection: CollectionName, row: Document): Document;
  /** The row in the clear, with the fields it had before `seal`. Throws `INTERNAL` for one that was tampered with or belongs elsewhere. */
  open(collection: CollectionName, row: Document): Document;
  /** How `terms` of a chunk may be stored here: one form, or one a live key while keys are rotated. */
  termForms(term: string): readonly string[];
}

/** Rows in the clear. */
export const clearRows: RowSealer = Object.freeze<RowSealer>({
  seal: (_collection, row) => row,
  open: (_collection, row) => row,
  termForms: (term) => [term],
});
