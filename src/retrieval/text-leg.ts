import type { SearchFilter } from "../storage/narrowing-filter.js";
import type { ChunkRow, TenantStore, TermMatch } from "../storage/tenant-store.js";
import { attainedBm25, inverseFrequency } from "./bm25.js";
import { TermStatisticsCache } from "./term-statistics-cache.js";
import { termsOf } from "./terms.js";

/** A query's rarest terms decide its ranking; looking up more costs an index scan each and moves little. */
const lookedUpTermsMax = 6;
/** A pasted page must not become hundreds of counts. */
const queryTermsMax = 32;
/** Chunks read for one query: those with the rarest terms first. At 1 KB each, 400 KB. */
const candidatesMax = 400;

export interface TextScored {
  readonly chunk: ChunkRow;
  /** BM25 as a share of what was attainable, 0..1. */
  readonly score: number;
}

const statisticsOfTenants = new TermStatisticsCache();

/** Passages that share words with the query, best first, by the tenant's own statistics. */
export async function searchText(store: TenantStore, text: string, limit: number, filter: SearchFilter): Promise<readonly TextScored[]> {
  const asked = [...new Set(termsOf(text))].slice(0, queryTermsMax);
  if (asked.length === 0) return [];
  const statistics = await statisticsOfTenants.of(store, asked);
  if (statistics.chunks === 0) return [];
  const byRarity = asked.toSorted((a, b) => inverseFrequency(b, statistics) - inverseFrequency(a, statistics));
  const present = byRarity.filter((term) => (statistics.frequencies.get(term) ?? 0) > 0).slice(0, lookedUpTermsMax);
  const matches = await candidates(store, present, statistics.frequencies, filter);
  // Terms the tenant never wrote count as attainable, but at most as many as are looked up: the rest of a long question is padding.
  const weighed = byRarity.slice(0, Math.max(lookedUpTermsMax, present.length)).filter((term) => !present.includes(term)).slice(0, lookedUpTermsMax - present.length);
  const terms = [...present, ...weighed];
  const scored = matches.map((match) => ({ chunk: rowOf(match), score: attainedBm25(terms, match, statistics) }));
  return scored.toSorted(best).slice(0, limit);
}

/**
 * Asks for the chunks of as many terms, from the rarest on, as fit under the bound together. A term
 * that most chunks contain would otherwise fill the answer with chunks of no interest.
 */
async function candidates(
  store: TenantStore,
  rarestFirst: readonly string[],
  frequencies: ReadonlyMap<string, number>,
  filter: SearchFilter,
): Promise<readonly TermMatch[]> {
  let expected = 0;
  const fitting = rarestFirst.filter((term, index) => {
    expected += frequencies.get(term) ?? 0;
    return index === 0 || expected <= candidatesMax;
  });
  return store.chunks.withAnyTerm(fitting, candidatesMax, filter);
}

function best(a: TextScored, b: TextScored): number {
  return b.score - a.score || (a.chunk.id < b.chunk.id ? -1 : 1);
}

/** Terms stay behind: what goes up is a passage and no more. */
function rowOf({ terms: _terms, termCounts: _counts, length: _length, ...chunk }: TermMatch): ChunkRow {
  return chunk;
}
