import type { Passage } from "./inference-backend.js";
import { termsOf } from "./question-terms.js";
import { splitSentences } from "./sentences.js";

/** What a figure adds: of two sentences about the same, the one that names it is worth keeping. */
const figureBonus = 0.5;

/**
 * The sentences that share most with all the others, in their own order, as many as fit into
 * `tokensMax`. Empty where there are none.
 */
export function summariseByQuoting(passages: readonly Pick<Passage, "text">[], tokensMax: number, countTokens: (text: string) => number): string {
  const texts = [...new Set(passages.flatMap(({ text }) => splitSentences(text)))];
  const sentences = texts.map((text, at) => ({ text, at, terms: termsOf(text) })).filter(({ terms }) => terms.size > 0);
  const shared = new Map<string, number>();
  for (const { terms } of sentences) for (const term of terms) shared.set(term, (shared.get(term) ?? 0) + 1);
  // By the root of its length: a long sentence shares more with others only because it is long.
  const scoreOf = ({ text, terms }: (typeof sentences)[number]): number =>
    [...terms].reduce((sum, term) => sum + (shared.get(term) ?? 0), 0) / Math.sqrt(terms.size) + (/\d/u.test(text) ? figureBonus : 0);
  const ranked = sentences.map((sentence) => ({ ...sentence, score: scoreOf(sentence) })).toSorted((a, b) => b.score - a.score || a.at - b.at);
  const picked: typeof ranked = [];
  let left = tokensMax;
  for (const sentence of ranked) {
    // One more for the blank before it.
    const tokens = countTokens(sentence.text) + 1;
    if (tokens > left) continue;
    left -= tokens;
    picked.push(sentence);
  }
  return picked.toSorted((a, b) => a.at - b.at).map(({ text }) => text).join(" ");
}
