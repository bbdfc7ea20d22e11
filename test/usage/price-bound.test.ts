import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PriceBook } from "../../src/usage/price-book.js";

const at = new Date("2026-06-15T12:00:00Z");
const price = fc.integer({ min: 0, max: 50_000_000 });
const tokens = fc.integer({ min: 0, max: 200_000 });

function bookOf(model: Readonly<Record<string, number>>): PriceBook {
  const perToken = { "*": { microUsdPerMillionTokens: 20_000 } };
  return PriceBook.parse({ versions: [{ version: "v", effectiveFrom: "2026-01-01", models: { "*": model }, embedding: perToken, guardrail: perToken, cacheHit: { "*": { microUsdPerHit: 10 } } }] });
}

describe("what is held of a budget for a call", () => {
  it("covers it, whatever part of its prompt is cached and of its answer is thought, also where those are the dearer ones", () => {
    const prices = fc.record({ promptMicroUsdPerMillionTokens: price, completionMicroUsdPerMillionTokens: price, cachedPromptMicroUsdPerMillionTokens: price }).chain((plain) =>
      fc.option(price).map((reasoning): Record<string, number> => (reasoning === null ? plain : { ...plain, reasoningMicroUsdPerMillionTokens: reasoning })),
    );
    fc.assert(
      fc.property(prices, tokens, tokens, fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), (model, promptTokens, completionTokens, cached, reasoning) => {
        const book = bookOf(model);
        const usage = { promptTokens, completionTokens, cachedPromptTokens: Math.floor(promptTokens * cached), reasoningTokens: Math.floor(completionTokens * reasoning) };
        expect(book.bound("COMPLETION", "m", usage, at)).toBeGreaterThanOrEqual(book.price("COMPLETION", "m", usage, at).costMicroUsd);
      }),
    );
  });

  it("holds no more than it has to: the price itself where no part has one of its own", () => {
    const book = bookOf({ promptMicroUsdPerMillionTokens: 300_000, completionMicroUsdPerMillionTokens: 1_200_000, cachedPromptMicroUsdPerMillionTokens: 300_000 });
    const usage = { promptTokens: 1_234, completionTokens: 567 };
    for (const kind of ["COMPLETION", "EMBEDDING", "GUARDRAIL", "CACHE_HIT", "TRAINING"] as const) expect(book.bound(kind, "m", usage, at)).toBe(book.price(kind, "m", usage, at).costMicroUsd);
  });
});
