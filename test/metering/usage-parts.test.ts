import { describe, expect, it } from "vitest";
import { Deadline } from "../../src/kernel/deadline.js";
import { isRefusal } from "../../src/kernel/refusal.js";
import type { CallUsage, MeteredCall } from "../../src/metering/door.js";
import { FairQueue } from "../../src/metering/fair-queue.js";
import { MeteredDoor } from "../../src/metering/metered.js";
import { TurnQueues } from "../../src/metering/turn-queues.js";
import { noBudgets } from "../../src/quotas/budgets.js";
import { openMemoryCounterStore } from "../../src/quotas/memory-counter-store.js";
import { TenantQuotas } from "../../src/quotas/tenant-quotas.js";
import { UsageReporter } from "../../src/usage/usage-report.js";
import { contextOf, MemoryLedger, priceBook, pseudonyms, recorderOf, recordingTelemetry } from "./spend-fixtures.js";

const call: MeteredCall = { kind: "COMPLETION", operation: "ask", model: "gpt-4o-mini", path: "ask", callNumber: 0, reserveTokens: 5_000, workClass: "INTERACTIVE" };

async function recorded(usages: readonly CallUsage[]): Promise<MemoryLedger> {
  const [ledger, telemetry, queue] = [new MemoryLedger(), recordingTelemetry(), new FairQueue({ slots: 8 })];
  const door = new MeteredDoor(new TenantQuotas(openMemoryCounterStore(), telemetry), noBudgets, new TurnQueues(queue, new Map([["default", queue]]), () => "default"), recorderOf(ledger, telemetry), telemetry);
  for (const [callNumber, usage] of usages.entries()) {
    const stream = await door.stream(contextOf(), Deadline.after(5_000), { ...call, callNumber }, async function* (_signal, report) {
      report(usage);
      yield "word";
    });
    if (isRefusal(stream)) return expect.unreachable();
    while ((await stream.next()).done !== true);
  }
  return ledger;
}

describe("what a provider had cached, and what a model thought", () => {
  const usage: CallUsage = { promptTokens: 1_000, completionTokens: 300, cachedPromptTokens: 800, reasoningTokens: 250 };

  it("reach the row of the ledger and its price, through the door", async () => {
    const { rows } = await recorded([usage]);
    expect(rows).toMatchObject([{ ...usage, costMicroUsd: priceBook.price("COMPLETION", call.model, usage, new Date()).costMicroUsd }]);
    expect(rows[0]?.costMicroUsd).toBeLessThan(priceBook.price("COMPLETION", call.model, { promptTokens: 1_000, completionTokens: 300 }, new Date()).costMicroUsd);
  });

  it("are summed by a report, in its groups and in all", async () => {
    const ledger = await recorded([usage, { promptTokens: 10, completionTokens: 20, reasoningTokens: 5 }]);
    const report = await new UsageReporter(() => ledger, pseudonyms).run(contextOf({ roles: ["admin"] }), Deadline.after(5_000), { from: new Date(Date.now() - 60_000), to: new Date(Date.now() + 60_000) });
    expect(report.totals).toMatchObject({ promptTokens: 1_010, completionTokens: 320, cachedPromptTokens: 800, reasoningTokens: 255 });
    expect(report.groups).toMatchObject([{ key: call.model, cachedPromptTokens: 800, reasoningTokens: 255 }]);
  });

  it("are never more than their whole in a row, whatever a provider says", async () => {
    const { rows } = await recorded([{ promptTokens: 10, completionTokens: 20, cachedPromptTokens: 9_999, reasoningTokens: 9_999 }]);
    expect(rows).toMatchObject([{ cachedPromptTokens: 10, reasoningTokens: 20 }]);
  });
});
