import type { ClientSession, Db } from "mongodb";
import { conflict, internal, limitExceeded, type BulkheadError } from "../kernel/errors.js";
import type { StoredTotals } from "./rows.js";
import type { Scope } from "./scope.js";
import type { EmbeddingModelRef } from "./tenant-store.js";
import type { WriteTurn } from "./write-turn.js";

/** Id of a tenant's one row. */
const totalsId = "totals";

/** Makes the row with the tenant's first stripe, so that writes find it and need no upsert. */
export async function ensureTotals(db: Db, session: ClientSession, scope: Scope, stamp: { readonly stripe: string; readonly seq: number }): Promise<void> {
  const empty = { stripe: stamp.stripe, seq: stamp.seq, documents: 0, chunks: 0, bytes: 0, length_sum: 0, revision: 0 };
  await db.collection<StoredTotals>("totals").updateOne(
    { _id: scope.key(totalsId), tenant_id: scope.tenantId },
    { $setOnInsert: empty },
    { session, upsert: true },
  );
}

export function totalsFilter(scope: Scope): { _id: string } {
  return { _id: scope.key(totalsId) };
}

/**
 * Counts one more document. The caps are in the filter of the update, so no two writers can both
 * take the last place. Throws `LIMIT_EXCEEDED`.
 */
export async function countDocument(turn: WriteTurn, scope: Scope, bytes: number, caps: { maxDocuments: number; maxBytes: number }): Promise<void> {
  const counted = await turn.write("totals").update(
    { ...totalsFilter(scope), documents: { $lt: caps.maxDocuments }, bytes: { $lte: caps.maxBytes - bytes } },
    { increment: { documents: 1, bytes } },
  );
  if (counted !== undefined) return;
  const totals = await readTotals(turn, scope);
  if (totals.documents >= caps.maxDocuments) {
    throw limitExceeded("documents", `${totals.documents + 1} documents`, `at most ${caps.maxDocuments} in this tier`);
  }
  throw tooManyBytes(totals.bytes + bytes, caps);
}

/** Counts an adapter's weights with the bytes of the documents: the tier bounds what lies here, whatever it is. Throws `LIMIT_EXCEEDED`. */
export async function countWeights(turn: WriteTurn, scope: Scope, bytes: number, caps: { maxBytes: number }): Promise<void> {
  const counted = await turn.write("totals").update({ ...totalsFilter(scope), bytes: { $lte: caps.maxBytes - bytes } }, { increment: { bytes } });
  if (counted === undefined) throw tooManyBytes((await readTotals(turn, scope)).bytes + bytes, caps);
}

export async function uncountWeights(turn: WriteTurn, scope: Scope, bytes: number): Promise<void> {
  await turn.write("totals").update(totalsFilter(scope), { increment: { bytes: -bytes } });
}

/** Counts one more training in the month (UTC); an adapter that is deleted does not give it back. Throws `LIMIT_EXCEEDED`. */
export async function countTraining(turn: WriteTurn, scope: Scope, at: Date, { trainingsPerMonth = Number.MAX_SAFE_INTEGER }: { trainingsPerMonth?: number | undefined }): Promise<void> {
  const month = at.toISOString().slice(0, 7);
  const totals = turn.write("totals");
  const again = await totals.update({ ...totalsFilter(scope), trainings_month: month, trainings: { $lt: trainingsPerMonth } }, { increment: { trainings: 1 } });
  if (again !== undefined) return;
  const first = await totals.update({ ...totalsFilter(scope), trainings_month: { $ne: month } }, { set: { trainings_month: month, trainings: 1 } });
  if (first === undefined) throw limitExceeded("trainings", `${trainingsPerMonth + 1} trainings in ${month}`, `at most ${trainingsPerMonth} a month in this tier`);
}

/**
 * Counts the chunks of a new version in place of the old one's. Throws `LIMIT_EXCEEDED`, or
 * `CONFLICT` when other chunks of the tenant were made with another model.
 */
export async function countChunks(
  turn: WriteTurn,
  scope: Scope,
  before: { chunks: number; length: number },
  after: { chunks: number; length: number },
  embedding: EmbeddingModelRef,
  caps: { maxChunks: number },
): Promise<void> {
  const model = { embedding_model: embedding.model, embedding_dimensions: embedding.dimensions };
  const counted = await turn.write("totals").update(
    {
      ...totalsFilter(scope),
      chunks: { $lte: caps.maxChunks - after.chunks + before.chunks },
      // A version without chunks mixes nothing, and once no other chunk is left the tenant may change
      // its model: so documents are published empty, one by one, and then with the new vectors.
      ...(after.chunks === 0 ? {} : { $or: [model, { chunks: before.chunks }] }),
    },
    {
      ...(after.chunks === 0 ? {} : { set: model }),
      increment: { chunks: after.chunks - before.chunks, length_sum: after.length - before.length, revision: 1 },
    },
  );
  if (counted !== undefined) return;
  const totals = await readTotals(turn, scope);
  const chunks = totals.chunks + after.chunks - before.chunks;
  if (chunks > caps.maxChunks) throw limitExceeded("chunks", `${chunks} chunks`, `at most ${caps.maxChunks} in this tier`);
  throw conflict(`The tenant's chunks were made with ${totals.embedding_model} (${totals.embedding_dimensions} dimensions), not with ${embedding.model} (${embedding.dimensions})`);
}

export async function uncountDocument(turn: WriteTurn, scope: Scope, removed: { bytes: number; chunks: number; length: number }): Promise<void> {
  await turn.write("totals").update(totalsFilter(scope), {
    increment: { documents: -1, bytes: -removed.bytes, chunks: -removed.chunks, length_sum: -removed.length, revision: 1 },
  });
}

/** An index may follow its rows with a delay: what was answered since the publishing may not have found the document. */
export async function countReady(turn: WriteTurn, scope: Scope): Promise<void> {
  await turn.write("totals").update(totalsFilter(scope), { increment: { revision: 1 } });
}

function tooManyBytes(bytes: number, { maxBytes }: { maxBytes: number }): BulkheadError {
  return limitExceeded("bytes", `${bytes} bytes`, `at most ${maxBytes} in this tier`);
}

async function readTotals(turn: WriteTurn, scope: Scope): Promise<StoredTotals> {
  const totals = await turn.read("totals").findOne(totalsFilter(scope));
  if (totals === undefined) throw internal("The tenant's totals are missing");
  return totals;
}
