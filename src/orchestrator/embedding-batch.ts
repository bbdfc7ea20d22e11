import { badUserInput } from "../kernel/errors.js";
import type { PreparedChunk } from "../retrieval/read/prepared-chunk.js";

export interface EmbeddingBatch {
  readonly texts: readonly string[];
  /** Upper bound of what the model will count. */
  readonly reserveTokens: number;
}

const textsMax = 32;
/** A batch that reserves a tenant's whole minute would be refused until the minute is empty, and its questions with it. */
const shareOfMinuteMax = 0.25;
/** Embedding models count otherwise than the counter: the embedded one up to a fifth more on tables and numbers. */
const countMargin = 1.25;

/** The next texts to embed: as many as fit a batch and a share of the tenant's tokens a minute, and at least one. */
export function batchAt(chunks: readonly PreparedChunk[], start: number, tokensPerMinute: number, count: (text: string) => number): EmbeddingBatch {
  const budget = tokensPerMinute * shareOfMinuteMax;
  const texts: string[] = [];
  let reserveTokens = 0;
  for (const { embeddedText } of chunks.slice(start, start + textsMax)) {
    const tokens = Math.ceil(count(embeddedText) * countMargin) + 1;
    if (texts.length > 0 && reserveTokens + tokens > budget) break;
    texts.push(embeddedText);
    reserveTokens += tokens;
  }
  // It would be refused for ever, since a minute never has more.
  if (reserveTokens > tokensPerMinute) throw badUserInput("content", `a passage of ${reserveTokens} tokens`, `at most the ${tokensPerMinute} tokens a minute of the tier`);
  return { texts, reserveTokens };
}
