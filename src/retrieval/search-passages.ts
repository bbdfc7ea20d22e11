/**
 * Finds a tenant's passages for a query. Before it comes the embedding of the query and the router
 * that opened the store; after it the answer, or the list of hits. It only ever sees one tenant.
 */
import { badUserInput } from "../kernel/errors.js";
import type { SearchFilter } from "../storage/narrowing-filter.js";
import type { ChunkRow, TenantStore } from "../storage/tenant-store.js";
import { searchText } from "./text-leg.js";

export type SearchMode = "VECTOR" | "TEXT" | "HYBRID";

export interface PassageQuery {
  readonly text: string;
  /**
   * Of length 1. Required unless the mode is `TEXT`. One that is still being computed keeps only the
   * vector leg waiting; if it ends as undefined, nobody wants the result any more.
   */
  readonly vector?: Float32Array | Promise<Float32Array | undefined>;
  readonly mode: SearchMode;
  readonly limit: number;
  readonly filter: SearchFilter;
}

export interface RankedPassage {
  readonly chunk: ChunkRow;
  /** What the list is ordered by, 0..1: the fused score, or that of the one leg asked for. */
  readonly score: number;
  /** Cosine, -1..1. */
  readonly vectorScore?: number;
  /** BM25 as a share of what was attainable, 0..1. */
  readonly textScore?: number;
}

/** Best over three sets of questions; reciprocal rank fusion was worse wherever one leg was weak. */
const textWeight = 0.3;
const vectorWeight = 0.7;
/** Each leg fetches deeper than asked, so that a passage that is middling in both can win over one that only one leg likes. */
const legDepthFactor = 4;
const legDepthMin = 40;

/** Best first, at most `limit`. Throws `BAD_USER_INPUT` when the mode needs a vector and none is given. */
export async function searchPassages(store: TenantStore, query: PassageQuery): Promise<readonly RankedPassage[]> {
  const depth = query.mode === "HYBRID" ? Math.max(legDepthMin, query.limit * legDepthFactor) : query.limit;
  const [near, matching] = await Promise.all([
    query.mode === "TEXT" ? [] : searchVectors(store, query, depth),
    query.mode === "VECTOR" ? [] : searchText(store, query.text, depth, query.filter),
  ]);
  const passages = new Map<string, RankedPassage>();
  for (const { chunk, score } of near) passages.set(chunk.id, { chunk, score: 0, vectorScore: score });
  for (const { chunk, score } of matching) passages.set(chunk.id, { ...(passages.get(chunk.id) ?? { chunk, score: 0 }), textScore: score });
  // What a full vector leg leaves out is no nearer than its last, and mostly not much farther. Counted as
  // unrelated, a passage with the very error code that was asked for lost to forty that only sound alike.
  const unseenVector = near.length < depth ? 0 : (near.at(-1)?.score ?? 0);
  return [...passages.values()]
    .map((passage) => ({ ...passage, score: scoreOf(passage, query.mode, unseenVector) }))
    .toSorted((x, y) => y.score - x.score || (x.chunk.id < y.chunk.id ? -1 : 1))
    .slice(0, query.limit);
}

async function searchVectors(store: TenantStore, query: PassageQuery, depth: number): Promise<readonly { chunk: ChunkRow; score: number }[]> {
  if (query.vector === undefined) throw badUserInput("vector", "none", `the query's embedding for mode ${query.mode}`);
  const vector = await query.vector;
  if (vector === undefined) return [];
  const found = await store.chunks.nearest(vector, depth, query.filter);
  // Atlas maps the cosine to 0..1 as (1 + cos) / 2.
  return found.map(({ chunk, score }) => ({ chunk, score: 2 * score - 1 }));
}

function scoreOf(passage: RankedPassage, mode: SearchMode, unseenVector: number): number {
  const vector = Math.max(0, passage.vectorScore ?? unseenVector);
  const text = passage.textScore ?? 0;
  const score = mode === "VECTOR" ? vector : mode === "TEXT" ? text : textWeight * text + vectorWeight * vector;
  return Math.min(1, score);
}
