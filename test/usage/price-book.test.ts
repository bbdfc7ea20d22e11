import { describe, expect, it } from "vitest";
import { PriceBook } from "../../src/usage/price-book.js";
import { priceBook } from "../metering/spend-fixtures.js";

const at = new Date("2026-06-15T12:00:00Z");

function bookOf(versions: readonly object[]): PriceBook {
  return PriceBook.parse({ versions });
}

function versionOf(version: string, promptPrice: number): object {
  const completion = { promptMicroUsdPerMillionTokens: promptPrice, completionMicroUsdPerMillionTokens: 2_000_000, cachedPromptMicroUsdPerMillionTokens: 500_000 };
  const perToken = { "*": { microUsdPerMillionTokens: 20_000 } };
  return { version, effectiveFrom: version, models: { "*": completion }, embedding: perToken, guardrail: perToken, cacheHit: { "*": { microUsdPerHit: 10 } } };
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

  it("of a guardrail counts what it read and wrote, by its own price", () => {
    expect(priceBook.price("GUARDRAIL", "any-guard", { promptTokens: 900_000, completionTokens: 100_000 }, at).costMicroUsd).toBe(200_000);
  });

  it("of a cache hit is one flat price, however long the answer that is given again", () => {
    const [short, long] = [1, 1_000_000].map((completionTokens) => priceBook.price("CACHE_HIT", "gpt-4o-mini", { promptTokens: 0, completionTokens }, at).costMicroUsd);
    expect([short, long]).toEqual([10, 10]);
  });

  it("of reasoning is the completion's unless it has its own, and never more tokens than the completion", () => {
    const usage = { promptTokens: 0, completionTokens: 1_000_000, reasoningTokens: 9_000_000 };
    expect(priceBook.price("COMPLETION", "gpt-4o-mini", usage, at).costMicroUsd).toBe(600_000);
    const apart = bookOf([{ ...versionOf("2026-01-01", 1), models: { "*": { promptMicroUsdPerMillionTokens: 1, completionMicroUsdPerMillionTokens: 2_000_000, cachedPromptMicroUsdPerMillionTokens: 1, reasoningMicroUsdPerMillionTokens: 500_000 } } }]);
    expect(apart.price("COMPLETION", "m", usage, at).costMicroUsd).toBe(500_000);
    expect(apart.price("COMPLETION", "m", { ...usage, reasoningTokens: 400_000 }, at).costMicroUsd).toBe(1_400_000);
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

describe("a version that corrects another", () => {
  it("holds in its place from the same day, and the others hold as before", () => {
    const book = bookOf([versionOf("2026-01-01", 1_000_000), { ...versionOf("2026-01-01.1", 2_000_000), effectiveFrom: "2026-01-01", supersedes: "2026-01-01" }, versionOf("2026-06-01", 3_000_000)]);
    const versionAt = (moment: string): string => book.price("COMPLETION", "m", { promptTokens: 1, completionTokens: 0 }, new Date(moment)).priceVersion;
    expect([versionAt("2026-02-01"), versionAt("2026-07-01")]).toEqual(["2026-01-01.1", "2026-06-01"]);
  });

  it("may be a hundred times off what it corrects: a wrong price does not forbid its own correction (B15)", () => {
    expect(() => bookOf([versionOf("2026-01-01", 1_000), versionOf("2026-02-01", 100_000), { ...versionOf("2026-02-01.1", 2), effectiveFrom: "2026-02-01", supersedes: "2026-02-01" }])).toThrow("versions.2.models.*.promptMicroUsdPerMillionTokens");
    expect(() => bookOf([versionOf("2026-01-01", 500_000_000), { ...versionOf("2026-01-01.1", 2), effectiveFrom: "2026-01-01", supersedes: "2026-01-01" }, versionOf("2026-02-01", 3)])).not.toThrow();
  });

  it.each([
    ["one that is not just before it", { effectiveFrom: "2026-06-01", supersedes: "2025-01-01" }],
    ["one of another day", { effectiveFrom: "2026-07-01", supersedes: "2026-06-01" }],
  ])("is refused when it names %s", (_what, change) => {
    expect(() => bookOf([versionOf("2026-06-01", 1), { ...versionOf("2026-06-01.1", 1), ...change }])).toThrow("versions.1.supersedes");
  });
});

describe("a price that jumps", () => {
  it.each([
    ["up more than a hundred times", 1_000, 100_001],
    ["down more than a hundred times", 100_001, 1_000],
    ["to nothing from more than the smallest prices", 101, 0],
  ])("%s stops the start and names the price", (_what, before, after) => {
    expect(() => bookOf([versionOf("2026-01-01", before), versionOf("2026-02-01", after)])).toThrow(expect.objectContaining({ code: "BAD_USER_INPUT", message: expect.stringContaining("versions.1.models.*.promptMicroUsdPerMillionTokens") }));
  });

  it.each([[1_000, 100_000], [100_000, 1_000], [100, 0], [0, 100]])("from %i to %i, a hundred times at most, is taken", (before, after) => {
    expect(() => bookOf([versionOf("2026-01-01", before), versionOf("2026-02-01", after)])).not.toThrow();
  });

  it("is seen too when a model loses its entry and falls to *", () => {
    const dear = versionOf("2026-01-01", 500_000_000) as { models: Record<string, unknown> };
    const cheap = versionOf("2026-01-01", 1_000) as { models: Record<string, unknown> };
    const first = { ...versionOf("2026-01-01", 1_000), models: { ...cheap.models, m: dear.models["*"] } };
    expect(() => bookOf([first, versionOf("2026-02-01", 1_000)])).toThrow("versions.1.models.m.");
  });
});

describe("a price book that is wrong stops the start and names the entry", () => {
  it.each([
    ["a price wrong by three digits", [versionOf("2026-01-01", 2_500_000_000)], "versions.0.models"],
    ["a negative price", [versionOf("2026-01-01", -1)], "versions.0.models"],
    ["a broken number", [versionOf("2026-01-01", 0.5)], "versions.0.models"],
    ["versions out of order", [versionOf("2026-06-01", 1), versionOf("2026-01-01", 1)], "versions.1.effectiveFrom"],
    ["two versions of one day", [versionOf("2026-06-01", 1), versionOf("2026-06-01", 1)], "versions.1.effectiveFrom"],
    ["two versions of one name", [versionOf("2026-05-01", 1), { ...versionOf("2026-05-01", 1), effectiveFrom: "2026-06-01" }], "versions.1.version"],
    ["no price for guardrails", [{ ...versionOf("2026-01-01", 1), guardrail: {} }], "versions.0.guardrail"],
    ["no version", [], "versions"],
    ["no price for unknown models", [{ ...versionOf("2026-01-01", 1), models: {} }], "versions.0.models"],
  ])("%s", (_what, versions, entry) => {
    expect(() => bookOf(versions)).toThrow(expect.objectContaining({ code: "BAD_USER_INPUT", message: expect.stringContaining(entry) }));
  });
});
