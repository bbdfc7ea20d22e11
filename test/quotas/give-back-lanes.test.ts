import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GiveBackLanes } from "../../src/quotas/give-back-lanes.js";

describe("points that are given back to one counter", () => {
  it("go together while others are on their way, and none is lost or given twice", async () => {
    const given: number[] = [];
    const lanes = new GiveBackLanes(async (_key, points) => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      given.push(points);
    });
    await Promise.all(Array.from({ length: 500 }, (_, i) => lanes.giveBack("a", i, 1_000)));
    expect(given).toHaveLength(2);
    expect(given[0]).toBe(0);
    expect(given[1]).toBe((499 * 500) / 2);
  });

  it("are told back to those whose points they were, also where the store fails in between", async () => {
    const step = fc.record({ points: fc.integer({ min: 1, max: 50 }), waits: fc.integer({ min: 0, max: 3 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 30 }), fc.array(fc.boolean(), { minLength: 1, maxLength: 10 }), async (steps, failures) => {
        let [given, asked] = [0, 0];
        const lanes = new GiveBackLanes(async (_key, points) => {
          await Promise.resolve();
          asked += 1;
          if (failures[asked % failures.length] === true) throw new TypeError("down");
          given += points;
        });
        const told: number[] = [];
        const ends: Promise<void>[] = [];
        for (const { points, waits } of steps) {
          ends.push(lanes.giveBack("a", points, 1_000).then(() => void told.push(points), () => undefined));
          for (let i = 0; i < waits; i += 1) await Promise.resolve();
        }
        await Promise.all(ends);
        expect(given).toBe(told.reduce((sum, points) => sum + points, 0));
      }),
      { numRuns: 100 },
    );
  });
});
