import stem from "wink-porter2-stemmer";
import { stopWords } from "./stop-words.js";

/** Distinct terms of a text and how often each occurs, in the same order. */
export interface TermCounts {
  readonly terms: readonly string[];
  readonly counts: readonly number[];
  /** Number of terms with repetition. */
  readonly length: number;
}

/** Longer runs are keys, hashes and encoded data: nobody searches for them, and an index key is bounded. */
const termCharsMax = 64;

/** Letters and digits of any script, with inner apostrophes, dots and hyphens so that `10.9`, `AF-720` and `don't` hold together. */
const wordPattern = /[\p{L}\p{N}]+(?:['’.,\-_/][\p{L}\p{N}]+)*/gu;
const joint = /['’.,\-_/]/u;

/**
 * The terms of a text in order, with repetition: normalised (NFKC), lower case, stop words dropped,
 * stemmed. A joined word gives itself and its parts, so that `AF-720` is found as `AF-720`, `af` and `720`.
 */
export function termsOf(text: string): readonly string[] {
  const terms: string[] = [];
  for (const [word] of text.normalize("NFKC").toLowerCase().matchAll(wordPattern)) {
    const bare = word.replaceAll(/['’]/g, "");
    if (joint.test(bare)) addTerm(terms, bare.replaceAll(",", ""));
    for (const part of bare.split(joint)) addTerm(terms, part);
  }
  return terms;
}

export function countTerms(text: string): TermCounts {
  const counts = new Map<string, number>();
  let length = 0;
  for (const term of termsOf(text)) {
    counts.set(term, (counts.get(term) ?? 0) + 1);
    length += 1;
  }
  return { terms: [...counts.keys()], counts: [...counts.values()], length };
}

function addTerm(terms: string[], word: string): void {
  if (word === "" || word.length > termCharsMax || stopWords.has(word)) return;
  // The stemmer knows English letters only; anything else is its own stem.
  terms.push(/^[a-z]+$/.test(word) ? stem(word) : word);
}
