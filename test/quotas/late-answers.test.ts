import { RateLimiterMemory } from "rate-limiter-flexible";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { CounterStoreFailed } from "../../src/quotas/counter-store.js";
import { counterRestMs, counterTimeoutMs, LimiterCounterStore, unreachablePoints } from "../../src/quotas/limiter-counter-store.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A store that counts, and says so only after `answerMs`, or never when that is undefined. */
function slowStore(delay: { answerMs: number | undefined }): LimiterCounterStore {
  const limiter = new RateLimiterMemory({ points: unreachablePoints, duration: 60 });
  const penalty = limiter.penalty.bind(limiter);
  limiter.penalty = async (...asked) => {
    const counted = await penalty(...asked);
    const { answerMs } = delay;
    if (answerMs === undefined) return new Promise(() => {});
    if (answerMs > 0) await new Promise((resolve) => setTimeout(resolve, answerMs));
    return counted;
  };
  return new LimiterCounterStore(limiter, async () => {});
}

describe("points that a slow store has counted for a caller who was told that it had not", () => {
  it("are given back when it says so: the tenant is not shut out for a minute by calls that were never made", async () => {
    const delay: { answerMs: number | undefined } = { answerMs: counterTimeoutMs + 200 };
    const store = slowStore(delay);
    const takes = Array.from({ length: 5 }, () => expect(store.take("a", 20, 100, 75_000)).rejects.toBeInstanceOf(CounterStoreFailed));
    await vi.advanceTimersByTimeAsync(counterTimeoutMs);
    await Promise.all(takes);
    delay.answerMs = 0;
    await vi.advanceTimersByTimeAsync(counterRestMs + 200);
    expect(await store.read(["a"])).toEqual([0]);
    expect(await store.take("a", 100, 100, 75_000)).toEqual({ kind: "TAKEN", used: 100 });
  });

  it("stay taken while that is not known: giving them back could be credit", async () => {
    const delay: { answerMs: number | undefined } = { answerMs: undefined };
    const store = slowStore(delay);
    const take = expect(store.take("a", 60, 100, 75_000)).rejects.toBeInstanceOf(CounterStoreFailed);
    await vi.advanceTimersByTimeAsync(counterTimeoutMs);
    await take;
    delay.answerMs = 0;
    await vi.advanceTimersByTimeAsync(counterRestMs);
    expect(await store.take("a", 60, 100, 75_000)).toMatchObject({ kind: "REFUSED" });
    expect(await store.take("a", 40, 100, 75_000)).toMatchObject({ kind: "TAKEN", used: 100 });
  });
});
