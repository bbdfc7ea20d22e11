import type { WriteTurn } from "../write-turn.js";
import type { CollectionName, SealedFieldNames } from "../rows.js";
import { versionField } from "./sealed-fields.js";

/** Collections with sealed fields. */
type SealedCollection = { [Name in CollectionName]: SealedFieldNames[Name] extends never ? never : Name }[CollectionName];

/**
 * Rows of one transaction, so that a tenant's own writes wait for few of them. A raw document may
 * have megabytes, a transaction of MongoDB is bounded.
 */
export const resealRowsMax: Readonly<Record<SealedCollection, number>> = { documents: 100, raw_documents: 4, chunks: 50, conversations: 100, messages: 100, idempotency_records: 100, idempotency_answers: 100, feedback: 100, adapters: 20, adapter_weights: 1 };

export const sealedCollections = Object.keys(resealRowsMax) as readonly SealedCollection[];

/** Seals some rows that have an older key than `version` anew. Returns how many it found: none means that there are no more. */
export async function resealSome(turn: WriteTurn, name: SealedCollection, version: number): Promise<number> {
  // A vector is neither sealed nor changed; it is the larger half of a chunk.
  const rows = await turn.read(name).find({ [versionField]: { $lt: version } }, { limit: resealRowsMax[name], without: ["vector"] });
  const writer = turn.write(name);
  for (const row of rows) await writer.reseal(row, version);
  return rows.length;
}

/** Rows that have an older key than `version`, over all collections. */
export async function countOlder(turn: WriteTurn, version: number): Promise<number> {
  let count = 0;
  for (const name of sealedCollections) count += await turn.read(name).count({ [versionField]: { $lt: version } });
  return count;
}
