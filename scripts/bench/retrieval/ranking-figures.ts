/** Where the right passage stands in a list of results, from 1; undefined when it is not among them. */
export type Rank = number | undefined;

export function rankOf(right: string, found: readonly string[]): Rank {
  const at = found.indexOf(right);
  return at < 0 ? undefined : at + 1;
}

/** The share of questions whose one right passage is among the first `depth`, 0..1. */
export function recallAt(depth: number, ranks: readonly Rank[]): number {
  return ranks.filter((rank) => rank !== undefined && rank <= depth).length / ranks.length;
}

/** The mean of 1 / rank, 0 for what stands below `depth`: 0..1. */
export function reciprocalRankAt(depth: number, ranks: readonly Rank[]): number {
  return ranks.reduce<number>((sum, rank) => sum + (rank !== undefined && rank <= depth ? 1 / rank : 0), 0) / ranks.length;
}
