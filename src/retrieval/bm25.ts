/** What BM25 needs to know of the tenant's own chunks; never of anyone else's. */
export interface TermStatistics {
  readonly chunks: number;
  readonly meanLength: number;
  readonly frequencies: ReadonlyMap<string, number>;
}

/** The usual values (Robertson): a term's second occurrence counts about half of its first, and a passage of twice the mean length needs more of it. */
const k1 = 1.2;
const b = 0.75;

/** Rarity of a term; never negative, also for a term that most chunks contain. */
export function inverseFrequency(term: string, statistics: TermStatistics): number {
  const frequency = Math.min(statistics.frequencies.get(term) ?? 0, statistics.chunks);
  return Math.log(1 + (statistics.chunks - frequency + 0.5) / (frequency + 0.5));
}

/**
 * BM25 of a passage as a share of what a passage could reach at most (every term, endlessly often):
 * 0..1, so that it can be weighed against a cosine. Terms that no chunk contains count in what was
 * attainable: a passage that answers half of the question is not a full match.
 */
export function attainedBm25(
  terms: readonly string[],
  passage: { readonly terms: readonly string[]; readonly termCounts: readonly number[]; readonly length: number },
  statistics: TermStatistics,
): number {
  const counts = new Map(passage.terms.map((term, index) => [term, passage.termCounts[index] ?? 0]));
  const relativeLength = statistics.meanLength > 0 ? passage.length / statistics.meanLength : 1;
  let got = 0;
  let attainable = 0;
  for (const term of terms) {
    const weight = inverseFrequency(term, statistics);
    const count = counts.get(term) ?? 0;
    attainable += weight * (k1 + 1);
    got += (weight * count * (k1 + 1)) / (count + k1 * (1 - b + b * relativeLength));
  }
  return attainable > 0 ? got / attainable : 0;
}
