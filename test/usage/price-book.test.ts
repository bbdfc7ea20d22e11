import { describe, expect, it } from "vitest";
import { PriceBook } from "../../src/usage/price-book.js";
import { priceBook } from "../metering/spend-fixtures.js";

const at = new Date("2026-06-15T12:00:00Z");

function bookOf(versions: readonly object[]): PriceBook {
  return PriceBook.parse({ versions });
}

function versionOf(version: string, promptPrice: number): object {
  const completion = { promptMicroUsdPerMillionTokens: promptPrice, completionMicroUsdPerMillionTokens: 2_000_000, cachedPromptMicroUsdPerMillionTokens: 500_000 };
  return { version, effectiveFrom: version, models: { "*": completion }, embedding: { "*": { microUsdPerMillionTokens: 20_000 } } };
}

describe("a price", () => {
  it.each([
    ["a thousand tokens each way", "gpt-4o-mini", { promptTokens: 1_000, completionTokens: 1_000 }, 750],
    ["one token, which is not free", "gpt-4o-mini", { promptTokens: 1, completionTokens: 0 }, 1],
    ["nothing at all", "gpt-4o-mini", { promptTokens: 0, completionTokens: 0 }, 0],
    ["a prompt that was cached in part", "gpt-4o-mini", { promptTokens: 1_000_000, completionTokens: 0, cachedPromptTokens: 400_000 }, 120_000],
    ["more cached than prompted, as a broken provider may say", "gpt-4o-mini", { promptTokens: 1_000_000, completionTokens: 0, cachedPromptTokens: 9_000_000 }, 75_000],
    ["a model without an entry", "some-model", { promptTokens: 1_000_000, completionTokens: 1_000_000 }, 12_500_000],
    ["a model named like a property of every object", "constructor", { promptTokens: 1_000_000, completionTokens: 0 }, 2_500_000],
  ])("of %s is exact and rounded up once", (_what, model, usage, cost) => {
    expect(priceBook.price("COMPLETION", model, usage, at)).toEqual({ priceVersion: "2026-01-01", costMicroUsd: cost });
  });

  it("of an embedding counts its prompt alone", () => {
    expect(priceBook.price("EMBEDDING", "text-embedding-3-small", { promptTokens: 1_000_000, completionTokens: 0 }, at).costMicroUsd).toBe(20_000);
  });

  it("stays exact where doubles would not", () => {
    const book = bookOf([versionOf("2026-01-01", 999_999_999)]);
    expect(book.price("COMPLETION", "m", { promptTokens: 9_999_999, completionTokens: 0 }, at).costMicroUsd).toBe(9_999_998_991);
  });
});

describe("versions of prices", () => {
  const book = bookOf([versionOf("2026-01-01", 1_000_000), versionOf("2026-06-01", 3_000_000)]);
  const usage = { promptTokens: 1_000_000, completionTokens: 0 };

  it.each([
    ["2025-12-31T00:00:00Z", "2026-01-01", 1_000_000],
    ["2026-05-31T23:59:59.999Z", "2026-01-01", 1_000_000],
    ["2026-06-01T00:00:00Z", "2026-06-01", 3_000_000],
  ])("a call at %s is priced with %s", (moment, priceVersion, costMicroUsd) => {
    expect(book.price("COMPLETION", "m", usage, new Date(moment))).toEqual({ priceVersion, costMicroUsd });
  });
});

describe("a price book that is wrong stops the start and names the entry", () => {
  it.each([
    ["a price wrong by three digits", [versionOf("2026-01-01", 2_500_000_000)], "versions.0.models"],
    ["a negative price", [versionOf("2026-01-01", -1)], "versions.0.models"],
    ["a broken number", [versionOf("2026-01-01", 0.5)], "versions.0.models"],
    ["versions out of order", [versionOf("2026-06-01", 1), versionOf("2026-01-01", 1)], "versions.1.effectiveFrom"],
    ["two versions of one day", [versionOf("2026-06-01", 1), versionOf("2026-06-01", 1)], "versions.1.effectiveFrom"],
    ["no version", [], "versions"],
    ["no price for unknown models", [{ ...versionOf("2026-01-01", 1), models: {} }], "versions.0.models"],
  ])("%s", (_what, versions, entry) => {
    expect(() => bookOf(versions)).toThrow(expect.objectContaining({ code: "BAD_USER_INPUT", message: expect.stringContaining(entry) }));
  });
});
