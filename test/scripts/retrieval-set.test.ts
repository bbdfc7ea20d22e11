import { describe, expect, it } from "vitest";
import { questionKinds, readPassages, readQuestions } from "../../scripts/bench/retrieval/question-set.js";
import { rankOf, recallAt, reciprocalRankAt } from "../../scripts/bench/retrieval/ranking-figures.js";
import { termsOf } from "../../src/retrieval/terms.js";

const passages = readPassages();
const questions = readQuestions();
const termsOfPassage = new Map(passages.map(({ id, title, text }) => [id, new Set(termsOf(`${title}\n${text}`))]));
const shared = (question: string, passage: string): readonly string[] => [...new Set(termsOf(question))].filter((term) => termsOfPassage.get(passage)?.has(term));
const wordsOf = (text: string): number => text.split(/\s+/).length;

describe("the set that retrieval is measured on", () => {
  it("has at least 300 different passages of 30 to 60 words, each with an id of its own", () => {
    expect(passages.length).toBeGreaterThanOrEqual(300);
    expect(new Set(passages.map(({ id }) => id)).size).toBe(passages.length);
    expect(new Set(passages.map(({ text }) => text)).size).toBe(passages.length);
    expect(passages.filter(({ text }) => wordsOf(text) < 30 || wordsOf(text) > 60)).toEqual([]);
  });

  it("has at least 60 different questions of each kind, each about a passage that exists", () => {
    for (const kind of questionKinds) expect(new Set(questions.filter((question) => question.kind === kind).map(({ text }) => text)).size).toBeGreaterThanOrEqual(60);
    expect(questions.filter(({ passage }) => !termsOfPassage.has(passage))).toEqual([]);
  });

  it("shares at most two words with the passage, and not half of the question, where it paraphrases", () => {
    const close = questions.filter(({ kind, text, passage }) => kind === "PARAPHRASED" && shared(text, passage).length > Math.min(2, new Set(termsOf(text)).size / 2));
    expect(close).toEqual([]);
  });

  it("names by its keywords one passage and no other", () => {
    for (const { text, passage } of questions.filter(({ kind }) => kind === "KEYWORD")) {
      const asked = new Set(termsOf(text)).size;
      expect(passages.filter(({ id }) => shared(text, id).length === asked).map(({ id }) => id), text).toEqual([passage]);
    }
  });
});

describe("the figures of a ranking", () => {
  const ranks = [rankOf("a", ["a", "b"]), rankOf("b", ["a", "b"]), rankOf("c", ["a", "b"]), 6];

  it("count as recalled what stands within the depth", () => {
    expect(recallAt(5, ranks)).toBe(0.5);
    expect(recallAt(1, ranks)).toBe(0.25);
    expect(recallAt(10, ranks)).toBe(0.75);
  });

  it("give a passage the inverse of its rank, and nothing below the depth", () => {
    expect(reciprocalRankAt(5, ranks)).toBe((1 + 1 / 2) / 4);
    expect(reciprocalRankAt(10, ranks)).toBeCloseTo((1 + 1 / 2 + 1 / 6) / 4);
  });
});
