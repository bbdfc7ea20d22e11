import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CounterStore } from "../../src/quotas/counter-store.js";
import { SlidingWindow } from "../../src/quotas/sliding-window.js";

let keys = 0;
/** A key that no other test and no earlier run has counted on. */
function newKey(): string {
  keys += 1;
  return `contract-${process.pid}-${Date.now()}-${keys}`;
}

/** What every store of counters promises. `open` gives two stores on the same counters, as two servers would have. */
export function describeCounterStore(name: string, open: () => Promise<{ one: CounterStore; other: CounterStore; close: () => Promise<void> }>): void {
  describe(`a counter store in ${name}`, () => {
    let stores: Awaited<ReturnType<typeof open>>;
    beforeAll(async () => {
      stores = await open();
    });
    afterAll(() => stores.close());

    it("admits up to the limit and not one point more", async () => {
      const key = newKey();
      expect(await stores.one.take(key, 3, 5, 60_000)).toEqual({ kind: "TAKEN", used: 3 });
      expect(await stores.one.take(key, 2, 5, 60_000)).toEqual({ kind: "TAKEN", used: 5 });
      expect(await stores.one.take(key, 1, 5, 60_000)).toEqual({ kind: "REFUSED", used: 5 });
    });

    it("leaves the counter unchanged by a refusal", async () => {
      const key = newKey();
      await stores.one.take(key, 4, 5, 60_000);
      for (let i = 0; i < 10; i += 1) await stores.one.take(key, 4, 5, 60_000);
      expect(await stores.one.read([key])).toEqual([4]);
      expect(await stores.one.take(key, 1, 5, 60_000)).toEqual({ kind: "TAKEN", used: 5 });
    });

    it("forgets counters for both servers, tells how many there were, and counts from nothing again", async () => {
      const [key, never] = [newKey(), newKey()];
      await stores.one.take(key, 5, 5, 60_000);
      expect(await stores.other.forget([key, never])).toBe(1);
      expect(await stores.one.read([key, never])).toEqual([0, 0]);
      expect(await stores.one.forget([key])).toBe(0);
      expect(await stores.one.take(key, 2, 5, 60_000)).toEqual({ kind: "TAKEN", used: 2 });
    });

    it("gives back what was taken", async () => {
      const key = newKey();
      await stores.one.take(key, 5, 5, 60_000);
      await stores.one.giveBack(key, 3, 60_000);
      expect(await stores.one.read([key])).toEqual([2]);
    });

    it("reads a counter that was given back to without a take as nothing, never as credit", async () => {
      const key = newKey();
      await stores.one.giveBack(key, 50, 60_000);
      expect(await stores.one.read([key])).toEqual([0]);
    });

    it("gives no credit to takes on a counter that was lost and then given back to", async () => {
      const key = newKey();
      await stores.one.take(key, 5, 5, 60_000);
      await stores.one.forget([key]);
      await stores.one.giveBack(key, 5, 60_000);
      const takes = await Promise.all(Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? stores.one : stores.other).take(key, 1, 5, 60_000)));
      expect(takes.filter((take) => take.kind === "TAKEN").length).toBeLessThanOrEqual(5);
      expect((await stores.one.read([key]))[0]).toBeGreaterThanOrEqual(takes.filter((take) => take.kind === "TAKEN").length);
    });

    it("reads several counters in the order asked, missing ones as 0", async () => {
      const [first, missing, last] = [newKey(), newKey(), newKey()];
      await stores.one.take(first, 1, 9, 60_000);
      await stores.other.take(last, 2, 9, 60_000);
      expect(await stores.one.read([first, missing, last])).toEqual([1, 0, 2]);
    });

    it("forgets a counter after its window", async () => {
      const key = newKey();
      await stores.one.take(key, 5, 5, 1_000);
      await new Promise((resolve) => setTimeout(resolve, 1_300));
      expect(await stores.one.take(key, 5, 5, 1_000)).toEqual({ kind: "TAKEN", used: 5 });
    });

    it("admits exactly the limit to 50 concurrent callers of two servers", async () => {
      const key = newKey();
      const takes = await Promise.all(Array.from({ length: 50 }, (_, i) => (i % 2 === 0 ? stores.one : stores.other).take(key, 1, 10, 60_000)));
      expect(takes.filter((take) => take.kind === "TAKEN")).toHaveLength(10);
      expect(await stores.one.read([key])).toEqual([10]);
    });

    it("never admits more than the limit to 50 concurrent callers of different sizes", async () => {
      const window = [new SlidingWindow(stores.one), new SlidingWindow(stores.other)] as const;
      const key = newKey();
      const sizes = Array.from({ length: 50 }, (_, i) => 1 + (i % 7));
      const takes = await Promise.all(sizes.map((size, i) => (window[i % 2] ?? window[0]).take(key, size, 40)));
      const admitted = takes.reduce((total, take, i) => total + (take.kind === "TAKEN" ? (sizes[i] ?? 0) : 0), 0);
      expect(admitted).toBeLessThanOrEqual(40);
      expect(admitted).toBeGreaterThan(0);
      expect((await window[0].view(key)).used).toBe(admitted);
    });
  });
}
