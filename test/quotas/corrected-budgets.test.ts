import { describe, expect, it } from "vitest";
import { Deadline } from "../../src/kernel/deadline.js";
import { isRefusal } from "../../src/kernel/refusal.js";
import type { CorrectedCall, UsageCorrections } from "../../src/storage/control/usage-rows.js";
import { PriceBook } from "../../src/usage/price-book.js";
import { RerateUsage } from "../../src/usage/rerate-usage.js";
import { MemorySpendingStore } from "../../src/quotas/memory-spending-store.js";
import { held, openServer, SharedSpending, spend, TestClock, withBudget, type BudgetBench } from "./budget-fixtures.js";

const context = withBudget({ budgetDayMicroUsd: 1_000, budgetMonthMicroUsd: 5_000 });

/** A row as a correction writes it: no call, no tokens, a difference at the time of the call. */
async function correct({ ledger, clock }: BudgetBench, differenceMicroUsd: number): Promise<void> {
  const [first] = ledger.rows;
  if (first === undefined) return expect.unreachable();
  await ledger.append({ ...first, callNumber: 10_000 + ledger.rows.length, promptTokens: 0, completionTokens: 0, costMicroUsd: differenceMicroUsd, at: new Date(clock.now()), corrects: "use_first" });
}

describe("a correction of the present period", () => {
  it.each([
    ["on a shared store", () => new SharedSpending()],
    ["in memory", () => new MemorySpendingStore(new SharedSpending())],
  ])("gives budget back, %s, when calls were too dear", async (_where, openStore) => {
    const server = openServer(openStore());
    await spend(server, held(await server.budgets.reserve(context, 1_000)), 1_000);
    expect(await server.budgets.reserve(context, 1)).toMatchObject({ code: "BUDGET_EXCEEDED" });
    await correct(server, -600);
    await server.budgets.recount(context.tenantId);
    expect(await server.budgets.view(context)).toMatchObject({ day: { spentMicroUsd: 400 }, month: { spentMicroUsd: 400 } });
    expect(isRefusal(await server.budgets.reserve(context, 600))).toBe(false);
    expect(await server.budgets.reserve(context, 1)).toMatchObject({ code: "BUDGET_EXCEEDED" });
  });

  it("stops what calls that were too cheap left room for, on the server that did not hear of it as well", async () => {
    const [store, clock] = [new SharedSpending(), new TestClock()];
    const one = openServer(store, { clock });
    const other = openServer(store, { clock, ledger: one.ledger });
    await spend(one, held(await one.budgets.reserve(context, 100)), 100);
    await spend(other, held(await other.budgets.reserve(context, 100)), 100);
    await Promise.all([one.budgets.close(), other.budgets.close()]);
    await correct(one, 700);
    await one.budgets.recount(context.tenantId);
    expect(await other.budgets.reserve(context, 101)).toMatchObject({ code: "BUDGET_EXCEEDED" });
    expect(isRefusal(await other.budgets.reserve(context, 100))).toBe(false);
  });

  it("is counted beside a call that runs, and nothing twice once that has ended", async () => {
    const server = openServer(new SharedSpending());
    await spend(server, held(await server.budgets.reserve(context, 300)), 300);
    const running = held(await server.budgets.reserve(context, 200));
    await correct(server, 50);
    await server.budgets.recount(context.tenantId);
    expect((await server.budgets.view(context))?.day).toMatchObject({ spentMicroUsd: 350, reservedMicroUsd: 200 });
    await spend(server, running, 120);
    expect((await server.budgets.view(context))?.day).toMatchObject({ spentMicroUsd: 470, reservedMicroUsd: 0 });
  });

  it("of a tenant that nothing is counted of makes no row", async () => {
    const store = new SharedSpending();
    await openServer(store).budgets.recount(context.tenantId);
    expect(store.rows.size).toBe(0);
  });
});

describe("pricing anew tells whoever keeps sums", () => {
  const book = PriceBook.parse({
    versions: [{ version: "v2", effectiveFrom: "2026-01-01", models: { "*": { promptMicroUsdPerMillionTokens: 1_000_000, completionMicroUsdPerMillionTokens: 0, cachedPromptMicroUsdPerMillionTokens: 0 } }, embedding: { "*": { microUsdPerMillionTokens: 0 } }, guardrail: { "*": { microUsdPerMillionTokens: 0 } }, cacheHit: { "*": { microUsdPerHit: 0 } } }],
  });
  const span = { from: new Date("2026-03-01"), to: new Date("2026-04-01") };

  async function told(call: { priceVersion: string; costMicroUsd: number; corrections: number }, dryRun = false): Promise<string[]> {
    const server = openServer(new SharedSpending());
    await spend(server, held(await server.budgets.reserve(context, 1)), 1);
    const [row] = server.ledger.rows;
    if (row === undefined) return expect.unreachable();
    const corrected: CorrectedCall = { row: { ...row, id: "use_1", promptTokens: 5, tenantId: context.tenantId }, ...call };
    const corrections: UsageCorrections = { tenants: async () => [context.tenantId], page: async () => [corrected], correct: async (due) => due };
    const heard: string[] = [];
    await new RerateUsage(corrections, book, async (tenantId) => void heard.push(tenantId)).run({ ...span, dryRun }, Deadline.after(60_000));
    return heard;
  }

  it("of tenants with corrections, also where a run that was cut has written them, and of no others", async () => {
    expect(await told({ priceVersion: "v1", costMicroUsd: 9, corrections: 0 })).toEqual([context.tenantId]);
    expect(await told({ priceVersion: "v2", costMicroUsd: 5, corrections: 1 })).toEqual([context.tenantId]);
    expect(await told({ priceVersion: "v2", costMicroUsd: 5, corrections: 0 })).toEqual([]);
  });

  it("of nobody in a dry run", async () => {
    expect(await told({ priceVersion: "v1", costMicroUsd: 9, corrections: 0 }, true)).toEqual([]);
  });
});
