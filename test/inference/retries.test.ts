import { describe, expect, it } from "vitest";
import { parseRetryAfter } from "../../src/inference/retry-after.js";
import { RetryBudget } from "../../src/inference/retry-budget.js";

describe("Retry-After", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");

  it.each<[string | undefined, number | undefined]>([
    ["0", 0],
    ["120", 120_000],
    [" 3 ", 3_000],
    ["Thu, 01 Jan 2026 00:00:30 GMT", 30_000],
    ["Wed, 31 Dec 2025 23:59:00 GMT", 0],
    [undefined, undefined],
    ["", undefined],
    ["-5", undefined],
    ["1.5", undefined],
    ["soon", undefined],
    ["Thursday-ish", undefined],
    ["99999999999999999999", undefined],
  ])("%j is %j ms", (header, ms) => {
    expect(parseRetryAfter(header, now)).toBe(ms);
  });
});

describe("the budget of retries", () => {
  it("lets a quiet pool retry, and holds retries to one call in ten over time", () => {
    const budget = new RetryBudget();
    let retries = 0;
    const calls = 10_000;
    for (let n = 0; n < calls; n += 1) {
      budget.deposit();
      while (budget.take()) retries += 1;
    }
    expect(retries).toBeLessThanOrEqual(calls / 10 + 10);
    expect(retries).toBeGreaterThanOrEqual(calls / 10);
  });

  it("saves up no more than ten", () => {
    const budget = new RetryBudget();
    for (let n = 0; n < 10_000; n += 1) budget.deposit();
    expect(Array.from({ length: 20 }, () => budget.take()).filter(Boolean)).toHaveLength(10);
  });
});
