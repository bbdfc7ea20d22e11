import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { areSameQuestion } from "../../src/memory/same-question.js";

interface Group { readonly question: string; readonly same: readonly string[]; readonly other: readonly string[] }

const groups = JSON.parse(readFileSync(new URL("question-pairs.json", import.meta.url), "utf8")) as readonly Group[];
const others = groups.flatMap(({ question, other }) => other.map((text) => [question, text] as const));
const paraphrases = groups.flatMap(({ question, same }) => same.map((text) => [question, text] as const));

function passed(pairs: readonly (readonly [string, string])[]): number {
  return pairs.filter(([x, y]) => areSameQuestion(x, y)).length / pairs.length;
}

describe("the measured pairs", () => {
  it("are at least 300 near misses and 150 paraphrases, each once", () => {
    expect(new Set(others.map(String)).size).toBeGreaterThanOrEqual(300);
    expect(new Set(paraphrases.map(String)).size).toBeGreaterThanOrEqual(150);
  });

  it("never let a near miss through, whatever the vectors say", () => {
    expect(others.filter(([x, y]) => areSameQuestion(x, y) || areSameQuestion(y, x))).toEqual([]);
  });

  it("let two in three paraphrases through, also of the half that no word list was made by", () => {
    expect(passed(paraphrases)).toBeGreaterThanOrEqual(0.66);
    const held = groups.filter((_group, index) => index % 2 === 1).flatMap(({ question, same }) => same.map((text) => [question, text] as const));
    expect(passed(held)).toBeGreaterThanOrEqual(0.6);
  });
});

describe("two questions are another's when they differ in", () => {
  it.each([
    ["who does it to whom", "Which letters are sent by customers?", "Which letters are sent to customers?"],
    ["who reports to whom", "Who reports to the manager?", "Who does the manager report to?"],
    ["who acts", "Can you cancel my contract?", "Can I cancel my contract?"],
    ["who pays", "Must the employee be paid by the employer?", "Must the employee pay the employer?"],
    ["time", "What was the fee?", "What is the fee?"],
    ["condition", "Do I lose pay if I quit?", "Do I quit if I lose pay?"],
    ["what 'only' stands before", "Can only managers approve invoices?", "Can managers only approve invoices?"],
    ["a sign", "What is 3 * 4?", "What is 3 + 4?"],
    ["a sign of a name", "Is C++ supported?", "Is C# supported?"],
    ["the company", "Is the meeting with the manager recorded?", "Is the meeting about the manager recorded?"],
    ["the receiver", "Can I report the manager?", "Can I report to the manager?"],
    ["a name that is a common word", "Do us citizens pay tax?", "Do US citizens pay tax?"],
    ["a month that is a verb", "Is the fee due in May?", "Is the fee due in March?"],
    ["the sign of a number", "Is -5 degrees safe?", "Is 5 degrees safe?"],
    ["the order of numbers", "Can 2 adults and 3 children stay?", "Can 3 adults and 2 children stay?"],
    ["a vowel of another script", "कि कीमत", "की कीमत"],
    ["a letter", "Is vitamin C harmful?", "Is vitamin D harmful?"],
    ["direction", "Is transport from A to B free?", "Is transport from B to A free?"],
  ])("%s", (_what, x, y) => {
    expect(areSameQuestion(x, x)).toBe(true);
    expect(areSameQuestion(x, y)).toBe(false);
  });

  it("nothing but empty words, which say nothing: only the same text is the same", () => {
    expect(areSameQuestion("What is this?", "What is that?")).toBe(false);
    expect(areSameQuestion("What is this?", "what is this")).toBe(true);
  });

  it("a text made to take long is compared all the same", () => {
    for (const text of ["a".repeat(8_000), `${"ae".repeat(4_000)}ing`, ". ".repeat(4_000), "A.:".repeat(2_600), "not ".repeat(2_000), "'s ".repeat(2_600)]) expect(areSameQuestion(text, text)).toBe(true);
  });
});
