import { describe, expect, it } from "vitest";
import { Deadline } from "../../src/kernel/deadline.js";
import { isRefusal } from "../../src/kernel/refusal.js";
import type { MeteredCall } from "../../src/metering/door.js";
import { FairQueue } from "../../src/metering/fair-queue.js";
import { MeteredDoor } from "../../src/metering/metered.js";
import { TurnQueues } from "../../src/metering/turn-queues.js";
import { openMemoryCounterStore } from "../../src/quotas/memory-counter-store.js";
import { TenantBudgets } from "../../src/quotas/tenant-budgets.js";
import { TenantQuotas } from "../../src/quotas/tenant-quotas.js";
import type { TierPolicy } from "../../src/tenancy/tier-policy.js";
import { SharedSpending } from "../quotas/budget-fixtures.js";
import { contextOf, MemoryLedger, recorderOf, recordingTelemetry } from "./spend-fixtures.js";

const call: MeteredCall = { kind: "COMPLETION", operation: "ask", model: "embedded-extractive", path: "ask", callNumber: 0, reserveTokens: 1_000, workClass: "INTERACTIVE" };
/** What 1,000 tokens of the model can cost at most. */
const boundMicroUsd = 750;

function open(policy: Partial<TierPolicy>) {
  const telemetry = recordingTelemetry();
  const [store, ledger, quotas] = [new SharedSpending(), new MemoryLedger(), new TenantQuotas(openMemoryCounterStore(), telemetry)];
  const budgets = new TenantBudgets(store, () => ledger, telemetry);
  const queue = new FairQueue({ slots: 8 });
  const door = new MeteredDoor(quotas, budgets, new TurnQueues(queue, new Map([["default", queue]]), () => "default"), recorderOf(ledger, telemetry), telemetry);
  const context = contextOf({ policy: { tokensPerMinute: 1_000_000, ...policy } });
  const run = (callNumber: number, completionTokens: number) =>
    door.run(context, Deadline.after(5_000), { ...call, callNumber }, async () => ({ value: "done", usage: { promptTokens: 0, completionTokens } }));
  return { store, ledger, quotas, budgets, door, context, run };
}

describe("the door and the budget", () => {
  it("refuses before anything is spent, and gives the tokens of the minute back", async () => {
    const bench = open({ budgetDayMicroUsd: boundMicroUsd });
    expect(await bench.run(0, 1_000)).toBe("done");
    await bench.budgets.close();
    const before = (await bench.quotas.view(bench.context)).tokens.remaining;
    expect(await bench.run(1, 1)).toMatchObject({ code: "BUDGET_EXCEEDED", limit: "budgetDay" });
    expect((await bench.quotas.view(bench.context)).tokens).toMatchObject({ remaining: before, reserved: 0 });
    expect(bench.ledger.rows).toHaveLength(1);
  });

  it("500 concurrent calls at the edge of a budget spend no micro-dollar over it", async () => {
    const bench = open({ budgetDayMicroUsd: boundMicroUsd * 20, concurrentCalls: 1_000 });
    const results = await Promise.all(Array.from({ length: 500 }, (_, i) => bench.run(i, 1_000)));
    await bench.budgets.close();
    expect(results.filter((result) => !isRefusal(result))).toHaveLength(20);
    const spent = bench.ledger.rows.reduce((sum, { costMicroUsd }) => sum + costMicroUsd, 0);
    expect(spent).toBeLessThanOrEqual(boundMicroUsd * 20);
    expect((await bench.budgets.view(bench.context))?.day).toMatchObject({ spentMicroUsd: spent, reservedMicroUsd: 0 });
  });

  it("settles what a client that leaves at any part has used", async () => {
    const bench = open({ budgetDayMicroUsd: 1_000_000 });
    for (let parts = 0; parts < 5; parts += 1) {
      const stream = await bench.door.stream(bench.context, Deadline.after(5_000), { ...call, callNumber: parts }, async function* (_signal, report) {
        for (let i = 1; i <= 5; i += 1) {
          report({ promptTokens: 10, completionTokens: i * 100 });
          yield i;
        }
      });
      if (isRefusal(stream)) return expect.unreachable();
      for (let i = 0; i < parts; i += 1) await stream.next();
      await stream.return?.();
    }
    await bench.budgets.close();
    const spent = bench.ledger.rows.reduce((sum, { costMicroUsd }) => sum + costMicroUsd, 0);
    expect((await bench.budgets.view(bench.context))?.day).toMatchObject({ spentMicroUsd: spent, reservedMicroUsd: 0 });
  });

  it("settles after the ledger's row is durable, so that a sum of the ledger never misses what was settled", async () => {
    const bench = open({ budgetDayMicroUsd: 1_000_000 });
    let write: (() => void) | undefined;
    const append = bench.ledger.append.bind(bench.ledger);
    bench.ledger.append = (row) => new Promise((resolve) => (write = () => resolve(append(row))));
    const running = bench.run(0, 100);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect((await bench.budgets.view(bench.context))?.day).toMatchObject({ spentMicroUsd: 0, reservedMicroUsd: boundMicroUsd });
    write?.();
    await running;
    await bench.budgets.close();
    expect((await bench.budgets.view(bench.context))?.day).toMatchObject({ spentMicroUsd: 60, reservedMicroUsd: 0 });
  });

  it("a store that is down spends nothing and is no refusal", async () => {
    const bench = open({ budgetDayMicroUsd: 1_000_000 });
    await bench.run(0, 100);
    await bench.budgets.close();
    bench.store.faults.push("BEFORE");
    await expect(bench.run(1, 100)).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE", details: { retryable: true } });
    expect((await bench.quotas.view(bench.context)).tokens.reserved).toBe(0);
  });
});
