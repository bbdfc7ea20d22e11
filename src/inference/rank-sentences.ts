import type { Passage } from "./inference-backend.js";
import { termsOf } from "./question-terms.js";
import { splitSentences } from "./sentences.js";

export interface RankedSentence {
  readonly text: string;
  readonly label: string;
  readonly score: number;
  /** Terms of the question it contains. */
  readonly terms: ReadonlySet<string>;
}

interface Candidate {
  readonly text: string;
  readonly passage: Passage;
  readonly terms: ReadonlySet<string>;
  /** Terms of the heading or question above it and of the sentence before it. */
  readonly context: ReadonlySet<string>;
}

/** What the words around a sentence count against its own: enough to lift the reply to a matching FAQ question over a stray mention. */
const contextWeight = 0.5;
/** The least a passage's rank leaves of a sentence's score: a perfect match in the eighth passage still beats half a match in the first. */
const passageFloor = 0.5;
/** What a figure is worth to a question that asks for one. */
const figureBonus = 0.1;
/** A line of at most so many words without a full stop is a heading: it says what follows and answers nothing. */
const headingWordsMax = 10;

/** Sentences of the passages that share terms with the question, best first. */
export function rankSentences(question: string, passages: readonly Passage[]): readonly RankedSentence[] {
  const asked = termsOf(question);
  const candidates = passages.flatMap(candidatesOf);
  const weights = rarityOf(asked, candidates);
  const total = sumOf(weights, [...weights.keys()]);
  if (total === 0) return [];
  const bestPassage = Math.max(...passages.map((passage) => passage.score), Number.MIN_VALUE);
  const wantsFigure = /\b(?:how (?:many|much|long|old|far|often|high|large)|when|what (?:is the )?(?:price|cost|rate|number|limit|deadline))\b/iu.test(question);
  return candidates
    .map((candidate): RankedSentence => {
      const own = [...asked].filter((term) => candidate.terms.has(term));
      const around = [...asked].filter((term) => !candidate.terms.has(term) && candidate.context.has(term));
      const overlap = (sumOf(weights, own) + contextWeight * sumOf(weights, around)) / total;
      const figure = wantsFigure && overlap > 0 && /\d/u.test(candidate.text) ? figureBonus : 0;
      const rank = passageFloor + (1 - passageFloor) * (candidate.passage.score / bestPassage);
      return { text: candidate.text, label: candidate.passage.label, score: (overlap + figure) * rank, terms: new Set(own) };
    })
    .filter((sentence) => sentence.score > 0)
    .toSorted((a, b) => b.score - a.score);
}

/**
 * How much of the question one sentence and its surroundings speak of, 0..1. Unlike the ranking it
 * counts what no passage mentions against the match: "capital of Peru" is not met by "capital".
 */
export function lexicalEvidence(question: string, passages: readonly Passage[]): number {
  const asked = termsOf(question);
  // One word alone is met by any mention of it.
  if (asked.size < 2) return 0;
  const candidates = passages.flatMap(candidatesOf);
  const known = rarityOf(asked, candidates);
  const weights = new Map([...asked].map((term) => [term, known.get(term) ?? Math.log(1 + candidates.length)]));
  const total = sumOf(weights, [...asked]);
  if (total === 0) return 0;
  return Math.max(0, ...candidates.map(({ terms, context }) => sumOf(weights, [...asked].filter((term) => terms.has(term) || context.has(term))) / total));
}

/** The first sentences of a passage that are not headings: what is quoted when no sentence shares a word with the question. */
export function openingOf(passage: Passage, count: number): readonly RankedSentence[] {
  return candidatesOf(passage)
    .slice(0, count)
    .map(({ text }) => ({ text, label: passage.label, score: passage.score, terms: new Set<string>() }));
}

function candidatesOf(passage: Passage): readonly Candidate[] {
  const candidates: Candidate[] = [];
  let heading = termsOf(passage.title);
  let before: ReadonlySet<string> = new Set();
  for (const text of splitSentences(passage.text)) {
    const terms = termsOf(text);
    if (isHeading(text)) {
      heading = new Set([...termsOf(passage.title), ...terms]);
      before = new Set();
      continue;
    }
    candidates.push({ text, passage, terms, context: new Set([...heading, ...before]) });
    before = terms;
  }
  return candidates;
}

/** A question in the documents is one too: quoting an FAQ's question back would answer nothing. */
function isHeading(text: string): boolean {
  return text.endsWith("?") || (!/[.!…:;|,)]$/u.test(text) && !/\d/u.test(text) && text.split(" ").length <= headingWordsMax);
}

/** Weight of each asked term: the fewer sentences have it, the more it says. Terms that none has count for nothing. */
function rarityOf(asked: ReadonlySet<string>, candidates: readonly Candidate[]): ReadonlyMap<string, number> {
  const weights = new Map<string, number>();
  for (const term of asked) {
    const having = candidates.filter((candidate) => candidate.terms.has(term) || candidate.context.has(term)).length;
    if (having > 0) weights.set(term, Math.log(1 + candidates.length / having));
  }
  return weights;
}

function sumOf(weights: ReadonlyMap<string, number>, terms: readonly string[]): number {
  return terms.reduce((total, term) => total + (weights.get(term) ?? 0), 0);
}
