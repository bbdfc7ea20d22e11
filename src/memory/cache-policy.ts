import type { TierPolicy } from "../tenancy/tier-policy.js";

export interface CachePolicy {
  /** Cosine that two questions need at least. */
  readonly minSimilarity: number;
  readonly ttlSeconds: number;
  /** Answers of one tenant at most; 0 turns the cache off. */
  readonly maxEntries: number;
}

/**
 * 0.85 keeps seven in ten of the measured paraphrases and lies well above what two questions on one
 * subject have; what tells near misses apart is not this but `sameQuestion`. An hour: an answer that
 * nobody asks for again by then is not worth its memory.
 */
const cacheDefault: CachePolicy = { minSimilarity: 0.85, ttlSeconds: 3_600, maxEntries: 500 };

export function cachePolicyOf({ cache }: TierPolicy): CachePolicy {
  return { ...cacheDefault, ...cache };
}

/** What a caller asks for can only be stricter: one who could lower the threshold could fish for what others asked. */
export function thresholdOf({ minSimilarity }: CachePolicy, asked: number | undefined): number {
  return Math.max(minSimilarity, asked ?? 0);
}
