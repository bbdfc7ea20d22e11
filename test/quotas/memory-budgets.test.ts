import fc from "fast-check";
import { expect, it } from "vitest";
import { isRefusal } from "../../src/kernel/refusal.js";
import type { BudgetReservation } from "../../src/quotas/budgets.js";
import { MemorySpendingStore } from "../../src/quotas/memory-spending-store.js";
import { held, openServer, SharedSpending, spend, withBudget } from "./budget-fixtures.js";

const limit = 1_000;
const callsMax = 6;

it("500 concurrent calls at the edge of a budget in memory: none passes it, and it is used to the last call", async () => {
  const server = openServer(new MemorySpendingStore(new SharedSpending()));
  const context = withBudget({ budgetDayMicroUsd: 10_000 });
  const first = await Promise.all(Array.from({ length: 250 }, () => server.budgets.reserve(context, 100)));
  // By now the row is remembered, and the way is another one.
  const rest = await Promise.all(Array.from({ length: 250 }, () => server.budgets.reserve(context, 100)));
  expect([first, rest].map((answers) => answers.filter((answer) => !isRefusal(answer)).length)).toEqual([100, 0]);
});

it("a reservation in memory is refused at once when a lower budget was set while others were held", async () => {
  const server = openServer(new MemorySpendingStore(new SharedSpending()));
  const context = withBudget({ budgetDayMicroUsd: 10_000 });
  const first = held(await server.budgets.reserve(context, 600));
  await server.budgets.set(context, { day: 700 });
  expect(await server.budgets.reserve(context, 200)).toMatchObject({ code: "BUDGET_EXCEEDED" });
  first.settle([]);
  held(await server.budgets.reserve(context, 200));
});

it("in memory a new day begins with the first call of it, and calls that run over midnight are held of it", async () => {
  const server = openServer(new MemorySpendingStore(new SharedSpending()));
  const context = withBudget({ budgetDayMicroUsd: limit });
  const first = held(await server.budgets.reserve(context, 400));
  await spend(server, held(await server.budgets.reserve(context, 600)), 600);
  expect(await server.budgets.reserve(context, 1)).toMatchObject({ limit: "budgetDay" });
  server.clock.ms += 24 * 3_600_000;
  held(await server.budgets.reserve(context, 600));
  expect(await server.budgets.reserve(context, 1)).toMatchObject({ limit: "budgetDay" });
  await spend(server, first, 100);
  held(await server.budgets.reserve(context, 300));
});

it("in memory each threshold is told once, however many calls pass it", async () => {
  const server = openServer(new MemorySpendingStore(new SharedSpending()));
  const context = withBudget({ budgetDayMicroUsd: limit });
  for (let call = 0; call < 20; call += 1) {
    await spend(server, held(await server.budgets.reserve(context, 50)), 50);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(server.telemetry.counts.get("budget_warnings_total")).toBe(3);
});

it("in memory, whatever arrives together and in whatever order: the bound holds, what is held is told, and the figures end as the ledger's", async () => {
  const step = fc.record({
    action: fc.constantFrom("reserve" as const, "reserve" as const, "settle" as const, "extend" as const, "tomorrow" as const),
    together: fc.integer({ min: 1, max: 4 }),
    size: fc.integer({ min: 1, max: 300 }),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
      const server = openServer(new MemorySpendingStore(new SharedSpending()));
      const context = withBudget({ budgetDayMicroUsd: limit, concurrentCalls: callsMax });
      const open: { reservation: BudgetReservation; most: number }[] = [];
      for (const { action, together, size, share } of steps) {
        if (action === "tomorrow") server.clock.ms += 24 * 3_600_000;
        if (action === "reserve") {
          const answers = await Promise.all(Array.from({ length: together }, () => server.budgets.reserve(context, size)));
          for (const answer of answers) if (!isRefusal(answer)) open.push({ reservation: answer, most: size });
        }
        if (action === "extend") {
          const calls = open.slice(0, together);
          const given = await Promise.all(calls.map(({ reservation }) => reservation.extend(size)));
          calls.forEach((call, at) => (call.most += given[at] === true ? size : 0));
        }
        if (action === "settle") {
          for (const { reservation, most } of open.splice(0, together)) {
            const charge = await spend(server, reservation, Math.floor(most * share));
            // An abort may settle it too.
            reservation.settle([charge]);
          }
        }
        const day = (await server.budgets.view(context))?.day;
        const heldNow = open.reduce((sum, { most }) => sum + most, 0);
        expect(day?.reservedMicroUsd).toBe(heldNow);
        expect(open.length).toBeLessThanOrEqual(callsMax);
        expect(heldNow + spentToday(server)).toBeLessThanOrEqual(limit);
      }
      for (const { reservation, most } of open.splice(0)) await spend(server, reservation, most);
      await server.budgets.close();
      expect((await server.budgets.view(context))?.day).toMatchObject({ reservedMicroUsd: 0, spentMicroUsd: spentToday(server) });
    }),
    { numRuns: 150 },
  );
});

function spentToday({ ledger, clock }: ReturnType<typeof openServer>): number {
  const day = new Date(clock.now()).toISOString().slice(0, 10);
  return ledger.rows.filter(({ at }) => at.toISOString().startsWith(day)).reduce((sum, { costMicroUsd }) => sum + costMicroUsd, 0);
}
