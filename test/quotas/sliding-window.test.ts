import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { openMemoryCounterStore } from "../../src/quotas/memory-counter-store.js";
import { SlidingWindow, subWindowMs } from "../../src/quotas/sliding-window.js";

// The limiter keeps its own time: only a clock that both read moves them together.
beforeEach(() => void vi.useFakeTimers({ now: 1_800_000_000_000 }));
afterEach(() => void vi.useRealTimers());

function open(): SlidingWindow {
  return new SlidingWindow(openMemoryCounterStore());
}

describe("a sliding window", () => {
  it("admits a whole limit at once", async () => {
    expect(await open().take("a", 100, 100)).toMatchObject({ kind: "TAKEN", used: 100 });
  });

  it("does not admit twice the limit around a minute's edge", async () => {
    const window = open();
    vi.setSystemTime(1_800_000_059_900);
    expect(await window.take("a", 100, 100)).toMatchObject({ kind: "TAKEN" });
    vi.setSystemTime(1_800_000_060_100);
    expect(await window.take("a", 1, 100)).toMatchObject({ kind: "REFUSED" });
  });

  it("is whole again at most one sub-window after a minute", async () => {
    const window = open();
    await window.take("a", 100, 100);
    vi.advanceTimersByTime(60_000 + subWindowMs);
    expect(await window.take("a", 100, 100)).toMatchObject({ kind: "TAKEN", used: 100 });
  });

  it("says when a refused take will fit, and it does then and not before", async () => {
    const window = open();
    await window.take("a", 60, 100);
    vi.advanceTimersByTime(20_000);
    await window.take("a", 30, 100);
    const refused = await window.take("a", 50, 100);
    if (refused.kind !== "REFUSED") return expect.unreachable();
    vi.advanceTimersByTime(refused.retryAfterMs - 1);
    expect((await window.take("a", 50, 100)).kind).toBe("REFUSED");
    vi.advanceTimersByTime(1);
    expect((await window.take("a", 50, 100)).kind).toBe("TAKEN");
  });

  it("keeps names apart, also where one ends like another's number", async () => {
    const window = open();
    await window.take("a:1", 10, 10);
    expect((await window.take("a", 10, 10)).kind).toBe("TAKEN");
  });

  it("gives back to the sub-window that was charged, so that old charges leave when they should", async () => {
    const window = open();
    const taken = await window.take("a", 100, 100);
    if (taken.kind !== "TAKEN") return expect.unreachable();
    vi.advanceTimersByTime(30_000);
    await window.giveBack("a", 90, taken.index);
    expect((await window.view("a")).used).toBe(10);
    expect((await window.take("a", 90, 100)).kind).toBe("TAKEN");
    vi.advanceTimersByTime(35_000);
    expect((await window.view("a")).used).toBe(90);
  });

  it("hears of a give-back to a sub-window whose count it remembers", async () => {
    const window = open();
    const taken = await window.take("a", 90, 100);
    if (taken.kind !== "TAKEN") return expect.unreachable();
    vi.advanceTimersByTime(6_000);
    expect((await window.take("a", 10, 100)).kind).toBe("TAKEN");
    expect((await window.take("a", 1, 100)).kind).toBe("REFUSED");
    await window.giveBack("a", 90, taken.index);
    expect((await window.take("a", 90, 100)).kind).toBe("TAKEN");
    expect((await window.take("a", 1, 100)).kind).toBe("REFUSED");
  });

  it("makes no credit of a give-back that comes after its window", async () => {
    const window = open();
    const taken = await window.take("a", 100, 100);
    if (taken.kind !== "TAKEN") return expect.unreachable();
    vi.advanceTimersByTime(120_000);
    await window.giveBack("a", 100, taken.index);
    expect((await window.take("a", 100, 100)).kind).toBe("TAKEN");
    expect((await window.take("a", 1, 100)).kind).toBe("REFUSED");
  });

  it("never admits more than the limit in any 60 seconds, whatever is taken, given back and waited", async () => {
    const step = fc.record({ waitMs: fc.integer({ min: 0, max: 12_000 }), points: fc.integer({ min: 1, max: 60 }), used: fc.integer({ min: 0, max: 60 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
        const window = open();
        const spent: { at: number; points: number }[] = [];
        for (const { waitMs, points, used } of steps) {
          vi.advanceTimersByTime(waitMs);
          const taken = await window.take("a", points, 100);
          if (taken.kind !== "TAKEN") continue;
          const kept = Math.min(points, used);
          await window.giveBack("a", points - kept, taken.index);
          spent.push({ at: Date.now(), points: kept });
        }
        for (const { at } of spent) {
          const within = spent.filter((other) => other.at >= at && other.at < at + 60_000).reduce((sum, { points }) => sum + points, 0);
          expect(within).toBeLessThanOrEqual(100);
        }
      }),
      { numRuns: 60 },
    );
  });
});
