/** Whether a search gives the same on both sides of a move: rows can be equal and an index not yet, or wrongly, built. */
import type { Binary, Document } from "mongodb";
import type { TenantId } from "../../kernel/ids.js";
import { translating } from "../driver-errors.js";
import type { TenantDatabase } from "../transaction.js";
import type { MovingHome } from "./moving-home.js";

/** Chunks whose own vectors are asked with. Ids are random, so the first of them are a fair sample. */
const samplesMax = 20;
/** Results compared of each. */
const nearestCompared = 10;
/** As `schema/collections/tenant.chunks.json` names it. */
const vectorIndex = "chunk_vectors";

/** Vectors of the source's own chunks to ask both sides with. */
export async function sampleQueries(source: MovingHome, tenantId: TenantId): Promise<readonly Binary[]> {
  const samples = await translating(() =>
    source.database.db
      .collection<{ vector: Binary }>("chunks")
      .find({ tenant_id: tenantId }, { projection: { vector: 1 }, readConcern: { level: "majority" } })
      .sort({ _id: 1 })
      .limit(samplesMax)
      .toArray(),
  );
  return samples.map(({ vector }) => vector);
}

/**
 * Those of the queries that both sides do not answer with the same chunks in the same order. Only
 * these need to be asked again: with writers at work all of them are hardly ever equal at one moment.
 */
export async function unequalQueries(source: MovingHome, target: MovingHome, tenantId: TenantId, queries: readonly Binary[]): Promise<readonly Binary[]> {
  const unequal: Binary[] = [];
  for (const vector of queries) {
    const [mine, theirs] = await Promise.all([nearest(source.database, tenantId, vector), nearest(target.database, tenantId, vector)]);
    if (mine !== theirs) unequal.push(vector);
  }
  return unequal;
}

/**
 * Exact on both sides, since two graphs over the same vectors may differ at the edge. Chunks as near
 * as the last are left out: which of them still fits is the index's choice.
 */
async function nearest({ db }: TenantDatabase, tenantId: TenantId, queryVector: Binary): Promise<string> {
  const search = { index: vectorIndex, path: "vector", queryVector, limit: nearestCompared + 1, exact: true, filter: { tenant_id: tenantId } };
  const found = await translating(() =>
    db.collection("chunks").aggregate<Document>([{ $vectorSearch: search }, { $project: { score: { $meta: "vectorSearchScore" } } }], { readConcern: { level: "local" } }).toArray(),
  );
  const last = found.length > nearestCompared ? Number(found.at(-1)?.["score"]) : Number.NEGATIVE_INFINITY;
  const ranked = found.map((row) => ({ id: String(row["_id"]), score: Number(row["score"]) })).filter(({ score }) => score > last);
  return JSON.stringify(ranked.toSorted((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1)));
}
