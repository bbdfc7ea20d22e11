import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { countTerms, termsOf } from "../../src/retrieval/terms.js";

describe("termsOf", () => {
  it("meets inflected forms and cases in one term and drops stop words", () => {
    expect(termsOf("The RETURNING of returned items")).toEqual(["return", "return", "item"]);
  });

  it("finds a joined word whole and by its parts", () => {
    expect(termsOf("AF-720")).toEqual(["af-720", "af", "720"]);
    expect(termsOf("class 10.9")).toEqual(["class", "10.9", "10", "9"]);
  });

  it("takes compatibility forms of a character as the same", () => {
    expect(termsOf("ﬁne ＡＢＣ")).toEqual(termsOf("fine ABC"));
  });

  it("keeps words of other scripts", () => {
    expect(termsOf("Drehmoment für Öfen")).toEqual(["drehmoment", "für", "öfen"]);
  });

  it("counts every term of any text once, and all of them together to the length", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 400, unit: "grapheme" }), (text) => {
        const { terms, counts, length } = countTerms(text);
        expect(new Set(terms).size).toBe(terms.length);
        expect(counts.reduce((sum, count) => sum + count, 0)).toBe(length);
        expect(termsOf(text)).toHaveLength(length);
        for (const term of terms) expect(term.length).toBeLessThanOrEqual(64);
      }),
    );
  });

  it("takes 100,000 characters without a break in well under a second", () => {
    const startedAt = performance.now();
    for (const run of ["a".repeat(100_000), "a-".repeat(50_000), "'".repeat(100_000)]) termsOf(run);
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });
});
