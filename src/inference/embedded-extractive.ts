import type { CompletionEvent, CompletionRequest, FinishReason, InferenceBackend, Passage } from "./inference-backend.js";
import { summariseByQuoting } from "./extractive-summary.js";
import { lexicalEvidence, openingOf, rankSentences, type RankedSentence } from "./rank-sentences.js";
import type { TokenCounter } from "./token-counter.js";

export const extractiveModel = "embedded-extractive";

/** Fused relevance from which the best passage is taken for more than a chance match. Found best over three question sets; near chance on paraphrases. */
const relevanceMin = 0.5;
/**
 * Down to this relevance the words may speak instead: the embedding knows no proper names, so "When
 * will Project Nightjar be launched?" comes to 0.35 with the very sentence in the passage. On the
 * demo questions the evidence was 0.66 and more for the right tenant, 0.49 and less for another,
 * save where both tenants' documents answer.
 */
const relevanceWithEvidenceMin = 0.3;
const evidenceMin = 0.65;

const sentencesMax = 3;
/** A further sentence must be this good against the best: with less it is about something else. */
const furtherMin = 0.6;
/** And this good if it adds no term of the question that is not quoted yet. */
const repeatMin = 0.85;

/** Words of one delta: a sentence arrives in a few steps, as from a model that writes. */
const wordsPerDelta = 8;

export const nothingFound = "I found nothing in your documents that answers this question.";

/**
 * Answers by quoting: it picks the sentences that share the most with the question and cites where
 * they stand. It cannot reason or combine, what it calls a summary is quoted as well, and it names itself so that nobody takes it
 * for a model that can.
 */
export class EmbeddedExtractive implements InferenceBackend {
  readonly models = [extractiveModel];

  constructor(private readonly counter: TokenCounter) {}

  async *complete(request: CompletionRequest, signal: AbortSignal): AsyncGenerator<CompletionEvent> {
    signal.throwIfAborted();
    const promptTokens = this.#promptTokens(request);
    if (request.task === "SUMMARISE") return yield* this.#summarise(request, promptTokens);
    const quoted = quotationsFor(request);
    const text = quoted.length === 0 ? nothingFound : quoted.map((sentence) => `${sentence.text} [${sentence.label}]`).join(" ");
    let completionTokens = 0;
    let isCut = false;
    for (const delta of deltasOf(text)) {
      signal.throwIfAborted();
      const fitting = this.#fitting(delta, request.maxTokens - completionTokens);
      completionTokens += this.counter.count(fitting);
      if (fitting !== "") yield { kind: "DELTA", text: fitting };
      isCut = fitting !== delta;
      if (isCut) break;
    }
    const cited = [...new Set(quoted.map((sentence) => sentence.label))];
    yield { kind: "DONE", finishReason: finishReasonOf(quoted, isCut), usage: { promptTokens, completionTokens }, cited };
  }

  *#summarise({ passages, maxTokens }: CompletionRequest, promptTokens: number): Generator<CompletionEvent, void> {
    const text = summariseByQuoting(passages, maxTokens, (sentence) => this.counter.count(sentence));
    if (text !== "") yield { kind: "DELTA", text };
    yield { kind: "DONE", finishReason: "STOP", usage: { promptTokens, completionTokens: this.counter.count(text) }, cited: [] };
  }

  /** What it reads; the history is left out because it reads none. */
  #promptTokens({ question, passages }: CompletionRequest): number {
    return passages.reduce((total, passage) => total + this.counter.count(passage.text), this.counter.count(question));
  }

  /** As many of the delta's words as the budget allows. */
  #fitting(delta: string, budget: number): string {
    if (this.counter.count(delta) <= budget) return delta;
    let fitting = "";
    for (const word of delta.match(/\s*\S+/gu) ?? []) {
      if (this.counter.count(fitting + word) > budget) break;
      fitting += word;
    }
    return fitting;
  }
}

function finishReasonOf(quoted: readonly RankedSentence[], isCut: boolean): FinishReason {
  if (quoted.length === 0) return "ABSTAINED";
  return isCut ? "LENGTH" : "STOP";
}

function quotationsFor({ question, passages }: CompletionRequest): readonly RankedSentence[] {
  const best = bestOf(passages);
  if (best === undefined || !isRelevant(question, best, passages)) return [];
  const ranked = rankSentences(question, passages);
  if (ranked.length === 0) return openingOf(best, 2);
  return pick(ranked);
}

function isRelevant(question: string, best: Passage, passages: readonly Passage[]): boolean {
  if (best.score >= relevanceMin) return true;
  return best.score >= relevanceWithEvidenceMin && lexicalEvidence(question, passages) >= evidenceMin;
}

function pick(ranked: readonly RankedSentence[]): readonly RankedSentence[] {
  const picked: RankedSentence[] = [];
  const covered = new Set<string>();
  const least = ranked[0]?.score ?? 0;
  for (const sentence of ranked) {
    if (picked.length === sentencesMax || sentence.score < furtherMin * least) break;
    const adds = picked.length === 0 || [...sentence.terms].some((term) => !covered.has(term)) || sentence.score >= repeatMin * least;
    // Overlapping passages hold the same sentence twice.
    if (!adds || picked.some((other) => other.text === sentence.text)) continue;
    picked.push(sentence);
    for (const term of sentence.terms) covered.add(term);
  }
  return picked;
}

function bestOf(passages: readonly Passage[]): Passage | undefined {
  return passages.reduce<Passage | undefined>((best, passage) => (best === undefined || passage.score > best.score ? passage : best), undefined);
}

function deltasOf(text: string): readonly string[] {
  const words = text.match(/\s*\S+/gu) ?? [];
  return Array.from({ length: Math.ceil(words.length / wordsPerDelta) }, (_, at) => words.slice(at * wordsPerDelta, (at + 1) * wordsPerDelta).join(""));
}
