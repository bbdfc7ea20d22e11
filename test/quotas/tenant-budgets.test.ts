import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isRefusal } from "../../src/kernel/refusal.js";
import { MemorySpendingStore } from "../../src/quotas/memory-spending-store.js";
import { leaseMs } from "../../src/quotas/spending-lane.js";
import { TenantBudgets } from "../../src/quotas/tenant-budgets.js";
import type { SpendingRow } from "../../src/storage/control/spending-rows.js";
import { MemoryLedger, recordingTelemetry } from "../metering/spend-fixtures.js";
import { held, openServer, SharedSpending, spend, TestClock, withBudget } from "./budget-fixtures.js";

const restOverMs = 600;
/** A row that is older than this refuses nobody: it is read again. */
const staleMs = 120;
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function rowOf(store: SharedSpending): SpendingRow {
  const row = [...store.rows.values()][0];
  if (row === undefined) throw new TypeError("There is no row");
  return row;
}

describe("a budget", () => {
  it("is not overspent by 500 concurrent calls of four servers at its edge, and is used to the last call", async () => {
    const store = new SharedSpending();
    const shared = { ledger: new MemoryLedger(), clock: new TestClock() };
    const servers = Array.from({ length: 4 }, () => openServer(store, shared));
    const context = withBudget({ budgetDayMicroUsd: 10_000, budgetMonthMicroUsd: 1_000_000 });
    const answers = await Promise.all(Array.from({ length: 500 }, (_, i) => servers[i % 4]?.budgets.reserve(context, 100)));
    const admitted = answers.filter((answer) => answer !== undefined && !isRefusal(answer));
    expect(admitted).toHaveLength(100);
    expect(rowOf(store).dayMicroUsd).toBe(10_000);
    // Every server gathers what comes while a change is on its way.
    expect(store.changes).toBeLessThan(60);
  });

  it("names the limit that was hit, and when trying again makes sense", async () => {
    const server = openServer(new SharedSpending());
    const context = withBudget({ budgetDayMicroUsd: 1_000, budgetMonthMicroUsd: 1_500 });
    const first = held(await server.budgets.reserve(context, 900));
    expect(await server.budgets.reserve(context, 200)).toMatchObject({ code: "BUDGET_EXCEEDED", limit: "budgetDay", retryAfterMs: 1_000 });
    await spend(server, first, 900);
    expect(await server.budgets.reserve(context, 200)).toMatchObject({ code: "BUDGET_EXCEEDED", limit: "budgetDay", retryAfterMs: 12 * 3_600_000 });
    server.clock.ms += 86_400_000;
    expect(await server.budgets.reserve(context, 700)).toMatchObject({ limit: "budgetMonth", retryAfterMs: Date.parse("2026-04-01T00:00:00Z") - server.clock.ms });
    held(await server.budgets.reserve(context, 600));
  });

  it("bounds the calls at one time over two servers", async () => {
    const store = new SharedSpending();
    const shared = { ledger: new MemoryLedger(), clock: new TestClock() };
    const [one, other] = [openServer(store, shared), openServer(store, shared)];
    const context = withBudget({ concurrentCalls: 2 });
    const first = held(await one.budgets.reserve(context, 5));
    held(await other.budgets.reserve(context, 5));
    expect(await one.budgets.reserve(context, 5)).toMatchObject({ code: "RATE_LIMITED", limit: "concurrentCalls" });
    first.settle([]);
    await one.budgets.close();
    await sleep(staleMs);
    held(await other.budgets.reserve(context, 5));
  });

  it("costs nothing to a tenant without one", async () => {
    const store = new SharedSpending();
    const server = openServer(store);
    const context = withBudget({ budgetDayMicroUsd: undefined, budgetMonthMicroUsd: undefined, concurrentCalls: undefined });
    for (let i = 0; i < 50; i += 1) held(await server.budgets.reserve(context, 1_000_000)).settle([]);
    expect(store.changes).toBe(0);
    expect(store.rows.size).toBe(0);
    expect(await server.budgets.view(context)).toBeUndefined();
  });

  it("settles once, and never gives back more than was held", async () => {
    const store = new SharedSpending();
    const server = openServer(store);
    const context = withBudget({ budgetDayMicroUsd: 1_000, budgetMonthMicroUsd: 10_000 });
    const reservation = held(await server.budgets.reserve(context, 400));
    await spend(server, reservation, 100);
    reservation.settle([]);
    reservation.settle([]);
    await server.budgets.close();
    expect(rowOf(store)).toMatchObject({ dayMicroUsd: 100, monthMicroUsd: 100, running: 0 });
  });

  it("charges what was used beyond what was held: it has been spent", async () => {
    const server = openServer(new SharedSpending());
    const context = withBudget({ budgetDayMicroUsd: 1_000 });
    await spend(server, held(await server.budgets.reserve(context, 100)), 1_200);
    expect((await server.budgets.view(context))?.day).toMatchObject({ spentMicroUsd: 1_200, remainingMicroUsd: 0 });
  });

  it("lets a call that goes on hold more until the budget ends", async () => {
    const server = openServer(new SharedSpending());
    const context = withBudget({ budgetDayMicroUsd: 1_000 });
    const reservation = held(await server.budgets.reserve(context, 600));
    expect(await reservation.extend(300)).toBe(true);
    expect(await reservation.extend(300)).toBe(false);
    await spend(server, reservation, 850);
    expect((await server.budgets.view(context))?.day).toMatchObject({ spentMicroUsd: 850, reservedMicroUsd: 0, remainingMicroUsd: 150 });
  });

  it("begins a new day with what the ledger says of it, and keeps what runs over midnight", async () => {
    const store = new SharedSpending();
    const server = openServer(store);
    const context = withBudget({ budgetDayMicroUsd: 1_000, budgetMonthMicroUsd: 5_000 });
    await spend(server, held(await server.budgets.reserve(context, 700)), 700);
    const overMidnight = held(await server.budgets.reserve(context, 250));
    server.clock.ms += 86_400_000;
    held(await server.budgets.reserve(context, 700)).settle([]);
    expect((await server.budgets.view(context))?.day).toMatchObject({ spentMicroUsd: 0, reservedMicroUsd: 250 });
    await spend(server, overMidnight, 200);
    expect(await server.budgets.view(context)).toMatchObject({ day: { spentMicroUsd: 200 }, month: { spentMicroUsd: 900 } });
  });
});

describe("a server that dies", () => {
  it("gives its holds back within 60 s, and the ledger decides what was spent", async () => {
    expect(leaseMs).toBeLessThan(60_000);
    const store = new SharedSpending();
    const shared = { ledger: new MemoryLedger(), clock: new TestClock() };
    const [dies, lives] = [openServer(store, shared), openServer(store, shared)];
    const context = withBudget({ budgetDayMicroUsd: 1_000, concurrentCalls: 2 });
    const written = held(await dies.budgets.reserve(context, 500));
    held(await dies.budgets.reserve(context, 500));
    // Its row is in the ledger, and the settlement is lost with the server.
    await spend({ ...dies, clock: shared.clock }, { ...written, settle() {} } as typeof written, 120);
    expect(isRefusal(await lives.budgets.reserve(context, 500))).toBe(true);
    shared.clock.ms += leaseMs + 1;
    const taken = held(await lives.budgets.reserve(context, 880));
    expect(await lives.budgets.reserve(context, 1)).toMatchObject({ limit: "budgetDay" });
    await spend({ ...lives, clock: shared.clock }, taken, 10);
    expect((await lives.budgets.view(context))?.day).toMatchObject({ spentMicroUsd: 130, reservedMicroUsd: 0 });
  });

  it("and was only asleep charges what it used without giving back what it holds no more", async () => {
    const store = new SharedSpending();
    const shared = { ledger: new MemoryLedger(), clock: new TestClock() };
    const [sleeps, other] = [openServer(store, shared), openServer(store, shared)];
    const context = withBudget({ budgetDayMicroUsd: 1_000 });
    const asleep = held(await sleeps.budgets.reserve(context, 500));
    shared.clock.ms += leaseMs + 1;
    held(await other.budgets.reserve(context, 100)).settle([]);
    await spend({ ...sleeps, clock: shared.clock }, asleep, 300);
    await sleeps.budgets.close();
    await other.budgets.close();
    await sleep(staleMs);
    expect((await other.budgets.view(context))?.day).toMatchObject({ spentMicroUsd: 300, reservedMicroUsd: 0 });
    expect(rowOf(store)).toMatchObject({ dayMicroUsd: 300, running: 0 });
  });
});

describe("a store that fails", () => {
  it.each(["BEFORE", "AFTER", "LATE"] as const)("admits nobody, and counts a change once whose answer was lost (%s)", async (fault) => {
    const store = new SharedSpending();
    const server = openServer(store);
    const context = withBudget({ budgetDayMicroUsd: 1_000 });
    const running = held(await server.budgets.reserve(context, 400));
    store.faults.push(fault);
    const asked = server.budgets.reserve(context, 300);
    await expect(asked).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE" });
    await expect(server.budgets.reserve(context, 1)).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE" });
    await sleep(restOverMs);
    store.faults.push(fault);
    await spend(server, running, 50);
    await sleep(restOverMs);
    expect((await server.budgets.view(context))?.day).toMatchObject({ spentMicroUsd: 50, reservedMicroUsd: 0 });
    for (const land of store.late) land();
    held(await server.budgets.reserve(context, 950)).settle([]);
    expect((await server.budgets.view(context))?.day).toMatchObject({ spentMicroUsd: 50, reservedMicroUsd: 0 });
    expect(rowOf(store).running).toBe(0);
  });

  it("and comes back empty has its figures from the ledger", async () => {
    const store = new SharedSpending();
    const server = openServer(store);
    const context = withBudget({ budgetDayMicroUsd: 1_000 });
    await spend(server, held(await server.budgets.reserve(context, 700)), 700);
    const running = held(await server.budgets.reserve(context, 100));
    await server.budgets.close();
    store.rows.clear();
    held(await server.budgets.reserve(context, 150)).settle([]);
    await spend(server, running, 90);
    await server.budgets.close();
    const again = openServer(store, server);
    expect((await again.budgets.view(context))?.day).toMatchObject({ spentMicroUsd: 790, reservedMicroUsd: 0 });
  });
});

describe("a tenant's own budget", () => {
  it("holds on every server, within the tier's, and ends with null", async () => {
    const store = new SharedSpending();
    const shared = { ledger: new MemoryLedger(), clock: new TestClock() };
    const [one, other] = [openServer(store, shared), openServer(store, shared)];
    const context = withBudget({ budgetDayMicroUsd: 1_000 });
    held(await other.budgets.reserve(context, 900)).settle([]);
    await expect(one.budgets.set(context, { day: 1_001 })).rejects.toMatchObject({ code: "BAD_USER_INPUT", details: { field: "day" } });
    await expect(one.budgets.set(context, { month: -1 })).rejects.toMatchObject({ code: "BAD_USER_INPUT" });
    await one.budgets.set(context, { day: 500 });
    expect(await other.budgets.reserve(context, 501)).toMatchObject({ limit: "budgetDay" });
    await one.budgets.set(context, {});
    await sleep(staleMs);
    held(await other.budgets.reserve(context, 501));
  });

  it("counts what was spent before there was one", async () => {
    const server = openServer(new SharedSpending());
    const context = withBudget({ budgetDayMicroUsd: undefined });
    await spend(server, held(await server.budgets.reserve(context, 400)), 400);
    await server.budgets.set(context, { month: 500 });
    expect(await server.budgets.reserve(context, 101)).toMatchObject({ limit: "budgetMonth" });
    expect(await server.budgets.view(context)).toMatchObject({ month: { limitMicroUsd: 500, spentMicroUsd: 400, remainingMicroUsd: 100 } });
  });

  it("warns at each threshold once, whichever server passes it", async () => {
    const store = new SharedSpending();
    const shared = { ledger: new MemoryLedger(), clock: new TestClock() };
    const servers = [openServer(store, shared), openServer(store, shared)] as const;
    const context = withBudget({ budgetDayMicroUsd: 1_000 });
    for (let i = 0; i < 12; i += 1) {
      const server = servers[i % 2] ?? servers[0];
      const answer = await server.budgets.reserve(context, 100);
      if (!isRefusal(answer)) await spend({ ...server, clock: shared.clock }, answer, 100);
      await server.budgets.close();
    }
    const told = servers.reduce((sum, { telemetry }) => sum + (telemetry.counts.get("budget_warnings_total") ?? 0), 0);
    expect(told).toBe(3);
    expect((await servers[0].budgets.view(context))?.warnings).toEqual([50, 80, 100].map((percent) => ({ period: "DAY", percent })));
  });
});

describe("where one server runs", () => {
  it("reserves and settles without a write, and finds budgets and warnings again after a restart", async () => {
    const durable = new SharedSpending();
    const ledger = new MemoryLedger();
    const first = openServer(new MemorySpendingStore(durable), { ledger });
    const context = withBudget({ budgetDayMicroUsd: 10_000 });
    await first.budgets.set(context, { day: 1_000 });
    const replaced = rowOf(durable).version;
    for (let i = 0; i < 40; i += 1) await spend(first, held(await first.budgets.reserve(context, 10)), 10);
    await first.budgets.close();
    expect([durable.changes, rowOf(durable).version]).toEqual([0, replaced]);
    for (let i = 0; i < 20; i += 1) await spend(first, held(await first.budgets.reserve(context, 10)), 10);
    await first.budgets.close();
    const second = openServer(new MemorySpendingStore(durable), { ledger, clock: first.clock });
    expect(await second.budgets.view(context)).toMatchObject({ day: { limitMicroUsd: 1_000, spentMicroUsd: 600 }, warnings: [{ period: "DAY", percent: 50 }] });
    expect(await second.budgets.forget(context.tenantId)).toBe(1);
    expect(durable.rows.size).toBe(0);
  });
});

describe("whatever happens in whatever order", () => {
  it("what was reserved is held, spent or given back; nothing is negative; the bound holds", async () => {
    const step = fc.record({
      // A failure costs half a second of rest, so it is rare here; its kinds have tests of their own above.
      action: fc.oneof({ weight: 40, arbitrary: fc.constantFrom("reserve" as const, "reserve" as const, "settle" as const, "extend" as const, "die" as const, "later" as const) }, { weight: 1, arbitrary: fc.constant("fail" as const) }),
      server: fc.nat({ max: 2 }),
      size: fc.integer({ min: 1, max: 400 }),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
        const store = new SharedSpending();
        const shared = { ledger: new MemoryLedger(), clock: new TestClock() };
        const servers = Array.from({ length: 3 }, () => openServer(store, shared));
        const context = withBudget({ budgetDayMicroUsd: 1_000, budgetMonthMicroUsd: 3_000, concurrentCalls: 5 });
        const open: { server: number; reservation: ReturnType<typeof held>; most: number }[] = [];
        let spent = 0;
        for (const { action, server, size, share } of steps) {
          const at = servers[server];
          if (at === undefined) continue;
          if (action === "reserve") {
            const answer = await at.budgets.reserve(context, size).catch(() => undefined);
            if (answer !== undefined && !isRefusal(answer)) open.push({ server, reservation: answer, most: size });
          } else if (action === "later") shared.clock.ms += 15_000;
          else if (action === "fail") store.faults.push(share < 0.5 ? "BEFORE" : "AFTER");
          else if (action === "die") {
            servers[server] = openServer(store, shared);
            for (let i = open.length - 1; i >= 0; i -= 1) if (open[i]?.server === server) open.splice(i, 1);
          } else {
            const call = open.shift();
            if (call === undefined) continue;
            if (action === "extend") {
              if (await call.reservation.extend(size).catch(() => false)) call.most += size;
              open.push(call);
              continue;
            }
            const cost = Math.floor(call.most * share);
            spent += cost;
            await spend(shared, call.reservation, cost);
          }
          const row = [...store.rows.values()][0];
          if (row === undefined) continue;
          const heldNow = Object.values(row.holds).reduce((sum, hold) => sum + hold.microUsd, 0);
          expect(Math.min(row.dayMicroUsd, row.monthMicroUsd, row.running, heldNow, row.dayMicroUsd - heldNow, ...Object.values(row.holds).flatMap(({ microUsd, calls }) => [microUsd, calls]))).toBeGreaterThanOrEqual(0);
        }
        // No reservation outlives its lease here unless the test lets 40 s pass without a beat, which is a server that slept.
        const slept = steps.filter(({ action }) => action === "later").length >= 2;
        if (!slept) expect(spent).toBeLessThanOrEqual(1_000);
        store.faults.length = 0;
        for (const { reservation } of open) reservation.settle([]);
        if (steps.some(({ action }) => action === "fail")) await sleep(restOverMs);
        await Promise.all(servers.map(({ budgets }) => budgets.close()));
        shared.clock.ms += leaseMs + 1;
        const last = new TenantBudgets(store, () => shared.ledger, recordingTelemetry(), shared.clock);
        expect(await last.view(context)).toMatchObject({ day: { spentMicroUsd: spent, reservedMicroUsd: 0 }, month: { spentMicroUsd: spent } });
      }),
      { numRuns: 40 },
    );
  }, 60_000);
});
