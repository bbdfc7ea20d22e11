import fc from "fast-check";
import { RateLimiterMemory } from "rate-limiter-flexible";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { isRefusal } from "../../src/kernel/refusal.js";
import { LimiterCounterStore, unreachablePoints } from "../../src/quotas/limiter-counter-store.js";
import type { TokenReservation } from "../../src/quotas/quotas.js";
import { TenantQuotas } from "../../src/quotas/tenant-quotas.js";
import { contextOf, recordingTelemetry } from "../metering/spend-fixtures.js";

beforeEach(() => void vi.useFakeTimers({ now: 1_800_000_000_000 }));
afterEach(() => void vi.useRealTimers());

/** What went into the library's counters and out of them, and the lowest that one ever stood at. */
function watchedStore() {
  const limiter = new RateLimiterMemory({ points: unreachablePoints, duration: 60 });
  const [penalty, reward] = [limiter.penalty.bind(limiter), limiter.reward.bind(limiter)];
  const seen = { taken: 0, returned: 0, lowest: 0 };
  limiter.penalty = async (key, points = 0, options = {}) => {
    seen.taken += points;
    return penalty(key, points, options);
  };
  limiter.reward = async (key, points = 0, options = {}) => {
    seen.returned += points;
    const counter = await reward(key, points, options);
    seen.lowest = Math.min(seen.lowest, counter.consumedPoints);
    return counter;
  };
  return { store: new LimiterCounterStore(limiter, async () => {}), seen };
}

const step = fc.oneof(
  fc.record({ do: fc.constant("RESERVE" as const), tokens: fc.integer({ min: 1, max: 400 }), user: fc.constantFrom("a", "b") }),
  fc.record({ do: fc.constant("EXTEND" as const), of: fc.nat(20), tokens: fc.integer({ min: 1, max: 200 }) }),
  fc.record({ do: fc.constant("SETTLE" as const), of: fc.nat(20), share: fc.double({ min: 0, max: 1.3, noNaN: true }), times: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ do: fc.constant("WAIT" as const), ms: fc.integer({ min: 1, max: 30_000 }) }),
);

describe("tokens of the minute, whatever is reserved, extended, settled and waited for in whatever order", () => {
  it("are reserved, used or given back: no counter falls below zero, and no more comes back than was taken and not used", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
        const { store, seen } = watchedStore();
        const quotas = new TenantQuotas(store, recordingTelemetry());
        const policy = { tokensPerMinute: 1_000, userShare: 0.6 };
        const open: { reservation: TokenReservation; at: number }[] = [];
        // Each token is in the tenant's counter and in the user's.
        let [usedTwice, isAllInTime] = [0, true];
        const settle = async ({ reservation, at }: (typeof open)[number], share: number, times: number): Promise<void> => {
          const used = Math.floor(reservation.tokens * share);
          usedTwice += 2 * used;
          if (Date.now() - at > 60_000) isAllInTime = false;
          await Promise.all(Array.from({ length: times }, (_, i) => reservation.settle(i === 0 ? used : 0)));
        };
        for (const now of steps) {
          if (now.do === "WAIT") await vi.advanceTimersByTimeAsync(now.ms);
          else if (now.do === "RESERVE") {
            const reservation = await quotas.reserveTokens(contextOf({ policy, user: now.user }), now.tokens);
            if (!isRefusal(reservation)) open.push({ reservation, at: Date.now() });
          } else {
            const [one] = open.slice(now.of % Math.max(1, open.length));
            if (one === undefined) continue;
            if (now.do === "EXTEND") await one.reservation.extend(now.tokens);
            else {
              open.splice(open.indexOf(one), 1);
              await settle(one, now.share, now.times);
            }
          }
        }
        for (const one of open.splice(0)) await settle(one, 0, 1);
        expect(seen.lowest).toBe(0);
        expect(seen.taken - seen.returned).toBeGreaterThanOrEqual(usedTwice);
        if (isAllInTime) expect(seen.taken - seen.returned).toBe(usedTwice);
        expect((await quotas.view(contextOf({ policy }))).tokens.reserved).toBe(0);
      }),
      { numRuns: 150 },
    );
  });
});
