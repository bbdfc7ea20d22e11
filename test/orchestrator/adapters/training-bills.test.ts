import { describe, expect, test } from "vitest";
import { newId, type AdapterId } from "../../../src/kernel/ids.js";
import { boundTokens } from "../../../src/orchestrator/adapters/training-set.js";
import { TrainingBills, trainingRequestId } from "../../../src/orchestrator/adapters/training-bills.js";
import type { AdapterWork } from "../../../src/storage/adapter-rows.js";
import type { TenantContext } from "../../../src/tenancy/tenant-context.js";
import { contextOf, MemoryLedger, recorderOf } from "../../metering/spend-fixtures.js";
import { openServer, SharedSpending, TestClock, type BudgetBench } from "../../quotas/budget-fixtures.js";

/** At the price of the book, 3 micro-dollars a token. */
const model = "gpt-4o-mini";

interface Bench extends BudgetBench {
  readonly bills: TrainingBills;
}

/** Servers that share everything but their memory. */
function benches(): () => Bench {
  const [store, ledger, clock] = [new SharedSpending(), new MemoryLedger(), new TestClock()];
  clock.ms = Date.now();
  return () => {
    const server = openServer(store, { ledger, clock });
    return { ...server, bills: new TrainingBills(server.budgets, recorderOf(ledger, server.telemetry)) };
  };
}

const workOf = (tokensMax: number): AdapterWork => {
  const id = newId<AdapterId>("adapter");
  return { tenantId: contextOf().tenantId, id, baseModel: model, origin: "TRAINED", state: "UPLOADING", tokensMax, createdAt: new Date() };
};
/** Of an adapter's work, as a step opens it. */
const contextFor = ({ id }: AdapterWork, budgetDayMicroUsd = 1_000): TenantContext => contextOf({ policy: { budgetDayMicroUsd, budgetMonthMicroUsd: undefined, concurrentCalls: undefined }, requestId: trainingRequestId(id) });
const dayOf = async ({ budgets }: Bench, context: TenantContext) => (await budgets.view(context))?.day;

describe("what a training may cost", () => {
  test("is held of the budget before it begins, and is refused where the budget has no room for it", async () => {
    const server = benches()();
    const [first, second] = [workOf(200), workOf(200)];
    const context = contextFor(first);
    await server.bills.hold(context, first);
    expect(await dayOf(server, context)).toMatchObject({ spentMicroUsd: 0, reservedMicroUsd: 600 });
    await expect(server.bills.hold(contextFor(second), second)).rejects.toMatchObject({ code: "BUDGET_EXCEEDED" });
    // Asked for again by the same training, as after a step that failed, it is held once.
    await server.bills.hold(context, first);
    expect(await dayOf(server, context)).toMatchObject({ reservedMicroUsd: 600 });
    server.bills.release(first.id);
    await server.bills.hold(contextFor(second), second);
    expect(server.ledger.rows).toEqual([]);
  });

  test("is an upper bound: every token of the file, as often as it is gone through", async () => {
    expect(await boundTokens(`${"x".repeat(10)}\n${"y".repeat(20)}\n`, { count: (text) => text.length })).toBe(90);
  });
});

describe("what the provider bills", () => {
  test("is spent, and what was held beyond it is free again", async () => {
    const server = benches()();
    const work = workOf(300);
    const context = contextFor(work);
    await server.bills.hold(context, work);
    await server.bills.settle(context, work, 100, "OK");
    await expect.poll(() => dayOf(server, context)).toMatchObject({ spentMicroUsd: 300, reservedMicroUsd: 0 });
    expect(server.ledger.rows).toMatchObject([{ kind: "TRAINING", operation: "trainAdapter", model, promptTokens: 100, costMicroUsd: 300, outcome: "OK" }]);
  });

  test("counts once, however often its end is seen: by the same server, after its death, and by another", async () => {
    const start = benches();
    const [first, second] = [start(), start()];
    const work = workOf(300);
    const context = contextFor(work);
    await first.bills.hold(context, work);
    await first.bills.settle(context, work, 100, "OK");
    await first.bills.settle(context, work, 100, "OK");
    await second.bills.settle(context, work, 100, "OK");
    await start().bills.settle(context, work, 100, "OK");
    expect(first.ledger.rows).toHaveLength(1);
    for (const server of [first, second]) await expect.poll(() => dayOf(server, context)).toMatchObject({ spentMicroUsd: 300, reservedMicroUsd: 0 });
  });

  test("is spent as well where it is more than the budget has: a training that runs is not undone", async () => {
    const server = benches()();
    const work = workOf(10_000);
    const context = contextFor(work);
    await server.bills.keepHold(context, work);
    await server.bills.settle(context, work, 10_000, "OK");
    await expect.poll(() => dayOf(server, context)).toMatchObject({ spentMicroUsd: 30_000 });
  });

  test("of two adapters are two rows, and nothing billed is none", async () => {
    const server = benches()();
    const works = [workOf(10), workOf(10), workOf(10)] as const;
    for (const [at, work] of works.entries()) await server.bills.settle(contextFor(work), work, at * 5, "FAILED");
    expect(server.ledger.rows.map(({ promptTokens }) => promptTokens)).toEqual([5, 10]);
  });
});
