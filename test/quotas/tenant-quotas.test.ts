import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { isRefusal } from "../../src/kernel/refusal.js";
import { CounterStoreFailed, type CounterStore } from "../../src/quotas/counter-store.js";
import { counterTimeoutMs, LimiterCounterStore, unreachablePoints } from "../../src/quotas/limiter-counter-store.js";
import { openMemoryCounterStore } from "../../src/quotas/memory-counter-store.js";
import { TenantQuotas } from "../../src/quotas/tenant-quotas.js";
import { RateLimiterMemory } from "rate-limiter-flexible";
import { contextOf, recordingTelemetry } from "../metering/spend-fixtures.js";

afterEach(() => void vi.useRealTimers());

function open(store: CounterStore = openMemoryCounterStore()): TenantQuotas {
  return new TenantQuotas(store, recordingTelemetry());
}

const brokenStore: CounterStore = {
  shared: true,
  generation: 0,
  take: () => Promise.reject(new CounterStoreFailed("down")),
  giveBack: () => Promise.reject(new CounterStoreFailed("down")),
  read: () => Promise.reject(new CounterStoreFailed("down")),
  forget: () => Promise.reject(new CounterStoreFailed("down")),
  close: async () => {},
};

describe("requests a minute", () => {
  it("charges a document whole or not at all", async () => {
    const quotas = open();
    const context = contextOf({ policy: { requestsPerMinute: 20 } });
    expect(await quotas.admitRequests(context, 15)).toMatchObject({ kind: "ADMITTED", limit: 20, remaining: 5 });
    expect(await quotas.admitRequests(context, 6)).toMatchObject({ kind: "REFUSAL", code: "RATE_LIMITED", limit: "requestsPerMinute" });
    expect(await quotas.admitRequests(context, 5)).toMatchObject({ kind: "ADMITTED", remaining: 0 });
  });

  it("refuses a document dearer than the whole limit without promising that waiting helps", async () => {
    const refused = await open().admitRequests(contextOf({ policy: { requestsPerMinute: 20 } }), 21);
    expect(refused).toMatchObject({ code: "RATE_LIMITED" });
    expect(refused).not.toHaveProperty("retryAfterMs");
  });

  it.each([0, -5, 1.5, Number.NaN])("does not admit a price of %s", async (price) => {
    await expect(open().admitRequests(contextOf(), price)).rejects.toMatchObject({ code: "BAD_USER_INPUT" });
  });

  it("counts tenants apart, and the users of a tenant together", async () => {
    const quotas = open();
    const policy = { requestsPerMinute: 1 };
    expect(isRefusal(await quotas.admitRequests(contextOf({ policy, user: "ada" }), 1))).toBe(false);
    expect(isRefusal(await quotas.admitRequests(contextOf({ policy, user: "bob" }), 1))).toBe(true);
    expect(isRefusal(await quotas.admitRequests(contextOf({ policy, tenant: "globex" }), 1))).toBe(false);
  });

  it("forgets a tenant's counters and no other's, and says how many there were", async () => {
    const quotas = open();
    const [acme, globex] = [contextOf({ policy: { requestsPerMinute: 2 } }), contextOf({ policy: { requestsPerMinute: 2 }, tenant: "globex" })];
    await quotas.admitRequests(acme, 2);
    await quotas.admitRequests(globex, 2);
    expect(await quotas.forget(acme.tenantId)).toBe(1);
    expect(await quotas.forget(acme.tenantId)).toBe(0);
    expect(await quotas.admitRequests(acme, 2)).toMatchObject({ kind: "ADMITTED", remaining: 0 });
    expect(isRefusal(await quotas.admitRequests(globex, 1))).toBe(true);
    await expect(open(brokenStore).forget(acme.tenantId)).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE" });
  });

  it("goes on by a local share while the shared store is down", async () => {
    const quotas = open(brokenStore);
    const context = contextOf({ policy: { requestsPerMinute: 40 } });
    const results = await Promise.all(Array.from({ length: 50 }, () => quotas.admitRequests(context, 1)));
    expect(results.filter((result) => result.kind === "ADMITTED")).toHaveLength(10);
  });
});

describe("a user inside the tenant", () => {
  const policy = { requestsPerMinute: 100, tokensPerMinute: 1_000, userShare: 0.25 };
  const ada = contextOf({ policy, user: "ada" });
  const bob = contextOf({ policy, user: "bob" });

  it("has at most the tier's share of requests, and the others have the rest", async () => {
    const quotas = open();
    const answers = await Promise.all(Array.from({ length: 60 }, () => quotas.admitRequests(ada, 1)));
    expect(answers.filter(({ kind }) => kind === "ADMITTED")).toHaveLength(25);
    expect(answers.at(-1)).toMatchObject({ code: "RATE_LIMITED", limit: "userRequestsPerMinute", retryAfterMs: expect.any(Number) as number });
    for (const user of ["bob", "cy", "dee"]) expect(await quotas.admitRequests(contextOf({ policy, user }), 25)).toMatchObject({ kind: "ADMITTED" });
    expect(await quotas.admitRequests(contextOf({ policy, user: "eve" }), 1)).toMatchObject({ limit: "requestsPerMinute" });
  });

  it("is told the window that has less left", async () => {
    const quotas = open();
    expect(await quotas.admitRequests(ada, 5)).toMatchObject({ limit: 25, remaining: 20 });
    for (const user of ["b", "c", "d"]) await quotas.admitRequests(contextOf({ policy, user }), 20);
    expect(await quotas.admitRequests(ada, 1)).toMatchObject({ limit: 25, remaining: 19 });
    await quotas.admitRequests(contextOf({ policy, user: "e" }), 25);
    expect(await quotas.admitRequests(contextOf({ policy, user: "f" }), 1)).toMatchObject({ limit: 100, remaining: 8 });
  });

  it("keeps nothing of its own window when the tenant's refuses", async () => {
    const quotas = open();
    for (const user of ["b", "c", "d"]) await quotas.admitRequests(contextOf({ policy, user }), 25);
    await quotas.admitRequests(contextOf({ policy, user: "e" }), 20);
    for (let i = 0; i < 30; i += 1) expect(await quotas.admitRequests(ada, 6)).toMatchObject({ limit: "requestsPerMinute" });
    expect(await quotas.admitRequests(ada, 5)).toMatchObject({ kind: "ADMITTED", remaining: 0 });
  });

  it("does not take from the tenant what its own window refuses", async () => {
    const quotas = open();
    for (let i = 0; i < 50; i += 1) await quotas.admitRequests(ada, 20);
    expect((await quotas.view(bob)).requests.remaining).toBe(80);
  });

  it("reserves at most its share of tokens, and gets both windows back", async () => {
    const quotas = open();
    const reservation = await quotas.reserveTokens(ada, 5_000);
    if (isRefusal(reservation)) return expect.unreachable();
    expect(reservation.tokens).toBe(250);
    expect(await quotas.reserveTokens(ada, 1)).toMatchObject({ limit: "userTokensPerMinute" });
    await reservation.settle(50);
    const again = await quotas.reserveTokens(ada, 200);
    if (isRefusal(again)) return expect.unreachable();
    await again.settle(260);
    expect(await quotas.reserveTokens(ada, 1)).toMatchObject({ limit: "userTokensPerMinute" });
    expect((await quotas.view(bob)).tokens).toMatchObject({ remaining: 690, reserved: 0 });
  });

  it("is nobody else: neither another tenant's user of the name, nor a name that looks like a pair", async () => {
    const quotas = open();
    await quotas.admitRequests(ada, 25);
    for (const [tenant, user] of [["globex", "ada"], ["acme", "ada:1"], ["acme", '"]'], ["acme", 'ada"]']] as const) expect(await quotas.admitRequests(contextOf({ policy, tenant, user }), 25)).toMatchObject({ kind: "ADMITTED" });
  });

  it("is not a job of the tenant's, and not bounded where the share is 1 or none", async () => {
    const quotas = open();
    expect(await quotas.admitRequests(contextOf({ policy, user: "\u0000job" }), 90)).toMatchObject({ kind: "ADMITTED" });
    for (const userShare of [1, undefined]) expect(await quotas.admitRequests(contextOf({ policy: { ...policy, userShare }, tenant: `t${userShare ?? 0}` }), 90)).toMatchObject({ kind: "ADMITTED" });
  });

  it("bears no name in a shared store", async () => {
    const keys: string[] = [];
    const limiter = new RateLimiterMemory({ points: unreachablePoints, duration: 60 });
    const shared = new LimiterCounterStore(limiter, async () => {});
    const take = shared.take.bind(shared);
    shared.take = (key, ...rest) => {
      keys.push(key);
      return take(key, ...rest);
    };
    const quotas = open(shared);
    expect(await quotas.admitRequests(contextOf({ policy, user: "ada@acme.example" }), 1)).toMatchObject({ kind: "ADMITTED" });
    expect(keys).toHaveLength(2);
    expect(keys[0]).toMatch(/^user-requests:[\w-]{43}:\d+$/);
  });
});

describe("a reservation that grows", () => {
  it("takes more until the limit refuses, and gives back no more than it took", async () => {
    const quotas = open();
    const context = contextOf({ policy: { tokensPerMinute: 1_000 } });
    const reservation = await quotas.reserveTokens(context, 400);
    if (isRefusal(reservation)) return expect.unreachable();
    expect([await reservation.extend(300), await reservation.extend(300), await reservation.extend(1)]).toEqual([true, true, false]);
    expect((await quotas.view(context)).tokens).toMatchObject({ remaining: 0, reserved: 1_000 });
    await reservation.settle(650);
    expect((await quotas.view(context)).tokens).toMatchObject({ remaining: 350, reserved: 0 });
    expect(await reservation.extend(10)).toBe(false);
    expect((await quotas.view(context)).tokens).toMatchObject({ remaining: 350, reserved: 0 });
  });

  it("gives each part back to the sub-window it came from, and no more than was taken there", async () => {
    vi.useFakeTimers({ now: 1_800_000_000_000 });
    const quotas = open();
    const context = contextOf({ policy: { tokensPerMinute: 1_000 } });
    const reservation = await quotas.reserveTokens(context, 400);
    vi.advanceTimersByTime(6_000);
    if (isRefusal(reservation) || !(await reservation.extend(100))) return expect.unreachable();
    await reservation.settle(50);
    expect((await quotas.view(context)).tokens).toMatchObject({ remaining: 950, reserved: 0 });
    vi.useRealTimers();
  });

  it("whatever grows and settles in whatever order: reserved, used and given back add up", async () => {
    const call = fc.record({ first: fc.integer({ min: 1, max: 300 }), more: fc.array(fc.integer({ min: 1, max: 200 }), { maxLength: 4 }), share: fc.double({ min: 0, max: 1.2, noNaN: true }), user: fc.constantFrom("a", "b", "c") });
    await fc.assert(
      fc.asyncProperty(fc.array(call, { maxLength: 8 }), async (calls) => {
        const quotas = open();
        const policy = { tokensPerMinute: 1_000, userShare: 0.5 };
        let used = 0;
        await Promise.all(
          calls.map(async ({ first, more, share, user }) => {
            const reservation = await quotas.reserveTokens(contextOf({ policy, user }), first);
            if (isRefusal(reservation)) return;
            for (const tokens of more) await reservation.extend(tokens);
            const { tokens } = reservation;
            expect(tokens).toBeLessThanOrEqual(500);
            const own = Math.floor(tokens * share);
            used += own;
            await Promise.all([reservation.settle(own), reservation.settle(0)]);
          }),
        );
        expect((await quotas.view(contextOf({ policy }))).tokens).toMatchObject({ remaining: Math.max(0, 1_000 - used), reserved: 0 });
      }),
      { numRuns: 100 },
    );
  });
});

describe("tokens a minute", () => {
  it("never lets 50 concurrent first calls pass together", async () => {
    const quotas = open();
    const context = contextOf({ policy: { tokensPerMinute: 1_000 } });
    const results = await Promise.all(Array.from({ length: 50 }, () => quotas.reserveTokens(context, 100)));
    expect(results.filter((result) => !isRefusal(result))).toHaveLength(10);
  });

  it("takes a reservation above the whole limit as the limit, so that a default client is not refused for ever", async () => {
    const quotas = open();
    const context = contextOf({ policy: { tokensPerMinute: 1_000 } });
    const first = await quotas.reserveTokens(context, 5_000);
    if (isRefusal(first)) return expect.unreachable();
    expect(first.tokens).toBe(1_000);
    expect(await quotas.reserveTokens(context, 1)).toMatchObject({ code: "RATE_LIMITED", limit: "tokensPerMinute" });
    await first.settle(10);
    expect((await quotas.view(context)).tokens).toMatchObject({ remaining: 990, reserved: 0 });
  });

  it("gives back exactly once, however often it is settled", async () => {
    const quotas = open();
    const context = contextOf({ policy: { tokensPerMinute: 1_000 } });
    const [kept, settled] = [await quotas.reserveTokens(context, 400), await quotas.reserveTokens(context, 400)];
    if (isRefusal(kept) || isRefusal(settled)) return expect.unreachable();
    await Promise.all([settled.settle(100), settled.settle(0), settled.settle(0)]);
    await settled.settle(0);
    expect((await quotas.view(context)).tokens).toMatchObject({ remaining: 500, reserved: 400 });
  });

  it("charges what was used beyond the reservation, even past the limit", async () => {
    const quotas = open();
    const context = contextOf({ policy: { tokensPerMinute: 1_000 } });
    const reservation = await quotas.reserveTokens(context, 100);
    if (isRefusal(reservation)) return expect.unreachable();
    await reservation.settle(1_500);
    expect((await quotas.view(context)).tokens.remaining).toBe(0);
    expect(isRefusal(await quotas.reserveTokens(context, 1))).toBe(true);
  });

  it.each([0, -100, Number.NaN])("does not reserve %s tokens, which any limit would admit", async (tokens) => {
    await expect(open().reserveTokens(contextOf(), tokens)).rejects.toMatchObject({ code: "BAD_USER_INPUT" });
  });

  it("spends nothing while the store is down: a failure is not an admission, and not a limit", async () => {
    const quotas = open(brokenStore);
    await expect(quotas.reserveTokens(contextOf(), 10)).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE", details: { retryable: true } });
    await expect(quotas.view(contextOf())).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE" });
  });

  it("does not wait for a store that hangs, and leaves it alone for a while", async () => {
    vi.useFakeTimers();
    const limiter = new RateLimiterMemory({ points: unreachablePoints, duration: 60 });
    let calls = 0;
    limiter.penalty = () => {
      calls += 1;
      return new Promise(() => {});
    };
    const quotas = open(new LimiterCounterStore(limiter, async () => {}));
    const first = expect(quotas.reserveTokens(contextOf(), 10)).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE" });
    await vi.advanceTimersByTimeAsync(counterTimeoutMs);
    await first;
    await expect(quotas.reserveTokens(contextOf(), 10)).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE" });
    expect(calls).toBe(1);
  });

  it("applies a new tier at once, on what was used before", async () => {
    const quotas = open();
    const small = contextOf({ policy: { tokensPerMinute: 100 } });
    await quotas.reserveTokens(small, 100);
    expect(isRefusal(await quotas.reserveTokens(small, 50))).toBe(true);
    const upgraded = contextOf({ tier: "PRO", policy: { tokensPerMinute: 1_000 } });
    expect(isRefusal(await quotas.reserveTokens(upgraded, 50))).toBe(false);
    expect((await quotas.view(upgraded)).tokens.remaining).toBe(850);
  });
});
