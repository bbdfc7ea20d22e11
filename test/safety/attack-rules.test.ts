import { describe, expect, it } from "vitest";
import { concepts, wordRules } from "../../src/safety/attack-rules.js";
import { foldText } from "../../src/safety/fold-text.js";

describe("the tables of rules", () => {
  it("name no concept that no rule speaks of", () => {
    const used = new Set([...wordRules.flatMap(({ steps }) => steps.map(({ concept }) => concept)), "lead", "you", "markWord"]);
    expect([...concepts.keys()].filter((concept) => !used.has(concept))).toEqual([]);
  });

  it("hold words as they come out of folding: no other could ever be met", () => {
    for (const words of concepts.values()) for (const word of words) expect(word).toMatch(/^[a-z][a-z0-9]*$/u);
    for (const words of concepts.values()) for (const word of words) expect(foldText(word)).toBe(word);
  });

  it("let no rule of one common word alone make an attack", () => {
    expect(wordRules.filter(({ steps, weight }) => steps.length === 1 && weight >= 5)).toEqual([]);
  });
});
