import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Deadline } from "../../src/kernel/deadline.js";
import { isRefusal } from "../../src/kernel/refusal.js";
import type { MeteredCall } from "../../src/metering/door.js";
import { FairQueue } from "../../src/metering/fair-queue.js";
import { MeteredDoor } from "../../src/metering/metered.js";
import { TurnQueues } from "../../src/metering/turn-queues.js";
import { MemorySpendingStore } from "../../src/quotas/memory-spending-store.js";
import { openMemoryCounterStore } from "../../src/quotas/memory-counter-store.js";
import { TenantBudgets } from "../../src/quotas/tenant-budgets.js";
import { TenantQuotas } from "../../src/quotas/tenant-quotas.js";
import type { TierPolicy } from "../../src/tenancy/tier-policy.js";
import { LedgerWorld } from "../usage/ledger-world.js";
import { contextOf, priceBook, recorderOf, recordingTelemetry } from "./spend-fixtures.js";

const reserveTokens = 1_000;
const calls = 500;
/** What a call can cost at most. */
const boundMicroUsd = priceBook.price("COMPLETION", "gpt-4o-mini", { promptTokens: reserveTokens, completionTokens: reserveTokens }, new Date()).costMicroUsd;

describe("500 concurrent calls at the edge of a budget", () => {
  let world: LedgerWorld;
  let tenants = 0;
  beforeAll(async () => {
    world = await LedgerWorld.open("budget_edge");
  });
  afterAll(() => world.close());

  /** Servers that share what the deployment shares; in memory there is one. */
  async function flood(servers: number, openStore: () => ConstructorParameters<typeof TenantBudgets>[0], limits: Partial<TierPolicy>, usedTokens: (call: number) => number) {
    const policy = { tokensPerMinute: 100_000_000, budgetDayMicroUsd: undefined, budgetMonthMicroUsd: undefined, concurrentCalls: undefined, ...limits };
    const tenant = `edge-${(tenants += 1)}`;
    const context = (requestId: string) => contextOf({ tenant, policy, requestId });
    const opened = Array.from({ length: servers }, () => {
      const [ledger, telemetry, queue] = [world.server().ledgerOf(context("req_x")), recordingTelemetry(), new FairQueue({ slots: 1_000, waitingPerTenantMax: 1_000 })];
      const budgets = new TenantBudgets(openStore(), () => ledger, telemetry);
      return { ledger, budgets, door: new MeteredDoor(new TenantQuotas(openMemoryCounterStore(), telemetry), budgets, new TurnQueues(queue, new Map([["default", queue]]), () => "default"), recorderOf(ledger, telemetry), telemetry) };
    });
    const call: MeteredCall = { kind: "COMPLETION", operation: "ask", model: "gpt-4o-mini", path: "ask", callNumber: 0, reserveTokens, workClass: "INTERACTIVE" };
    const answers = await Promise.all(
      Array.from({ length: calls }, (_, i) =>
        opened[i % servers]?.door.run(context(`req_${i}`), Deadline.after(20_000), call, async () => ({ value: i, usage: { promptTokens: 0, completionTokens: usedTokens(i) } })),
      ),
    );
    await Promise.all(opened.map(({ budgets }) => budgets.close()));
    const passed = answers.filter((answer) => !isRefusal(answer)).length;
    const day = new Date().toISOString().slice(0, 10);
    const groups = (await opened[0]?.ledger.report(new Date(`${day}T00:00:00Z`), new Date(Date.now() + 60_000), "DAY")) ?? [];
    // Where the figures are shared, a server that has seen none of it: one that has may be 100 ms behind.
    const onlooker = servers === 1 ? opened[0]?.budgets : new TenantBudgets(openStore(), () => world.server().ledgerOf(context("req_view")), recordingTelemetry());
    const view = await onlooker?.view(context("req_view"));
    return { passed, rows: groups.reduce((sum, group) => sum + group.calls, 0), spent: groups.reduce((sum, group) => sum + group.costMicroUsd, 0), view };
  }

  const stores = [
    ["one server, in memory", 1, () => new MemorySpendingStore(world.control.spending)],
    ["four servers, in MongoDB", 4, () => world.control.spending],
  ] as const;

  it.each(stores)("spend not a micro-dollar over it, and as many pass as their bounds have room (%s)", async (_where, servers, openStore) => {
    const budget = boundMicroUsd * 20 + boundMicroUsd - 1;
    const { passed, rows, spent, view } = await flood(servers, openStore, { budgetDayMicroUsd: budget }, () => reserveTokens);
    expect(spent).toBeLessThanOrEqual(budget);
    expect(rows).toBe(passed);
    expect(view?.day).toMatchObject({ spentMicroUsd: spent, reservedMicroUsd: 0 });
    expect(passed).toBeGreaterThanOrEqual(20);
  });

  it.each(stores)("spend not a micro-dollar over the month's either, whatever each call costs (%s)", async (_where, servers, openStore) => {
    const budget = boundMicroUsd * 7;
    const { spent, rows, passed, view } = await flood(servers, openStore, { budgetDayMicroUsd: boundMicroUsd * 100, budgetMonthMicroUsd: budget }, (at) => (at * 37) % (reserveTokens + 1));
    expect(spent).toBeLessThanOrEqual(budget);
    expect(rows).toBe(passed);
    expect(view).toMatchObject({ day: { spentMicroUsd: spent }, month: { spentMicroUsd: spent, reservedMicroUsd: 0 } });
  });
});
