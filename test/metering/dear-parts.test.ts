import { describe, expect, it } from "vitest";
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
import { PriceBook } from "../../src/usage/price-book.js";
import { UsageRecorder } from "../../src/usage/usage-recorder.js";
import { SharedSpending } from "../quotas/budget-fixtures.js";
import { contextOf, MemoryLedger, pseudonyms, recordingTelemetry } from "./spend-fixtures.js";

const perToken = { "*": { microUsdPerMillionTokens: 0 } };
/** A model whose thoughts cost four times its words. */
const book = PriceBook.parse({
  versions: [{ version: "v", effectiveFrom: "2026-01-01", models: { "*": { promptMicroUsdPerMillionTokens: 1_000_000, completionMicroUsdPerMillionTokens: 1_000_000, cachedPromptMicroUsdPerMillionTokens: 1_000_000, reasoningMicroUsdPerMillionTokens: 4_000_000 } }, embedding: perToken, guardrail: perToken, cacheHit: { "*": { microUsdPerHit: 0 } } }],
});

describe("a budget", () => {
  it("is not overspent by models that think at a dearer price than they speak", async () => {
    const [ledger, telemetry, queue] = [new MemoryLedger(), recordingTelemetry(), new FairQueue({ slots: 100 })];
    const budgets = new TenantBudgets(new MemorySpendingStore(new SharedSpending()), () => ledger, telemetry);
    const door = new MeteredDoor(new TenantQuotas(openMemoryCounterStore(), telemetry), budgets, new TurnQueues(queue, new Map([["default", queue]]), () => "default"), new UsageRecorder(() => ledger, book, pseudonyms, telemetry), telemetry);
    const budgetDayMicroUsd = 3_000;
    const context = contextOf({ policy: { tokensPerMinute: 1_000_000, budgetDayMicroUsd, budgetMonthMicroUsd: undefined, concurrentCalls: undefined } });
    const call: MeteredCall = { kind: "COMPLETION", operation: "ask", model: "thinker", path: "ask", callNumber: 0, reserveTokens: 100, workClass: "INTERACTIVE" };
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, callNumber) => door.run(context, Deadline.after(5_000), { ...call, callNumber }, async () => ({ value: true, usage: { promptTokens: 0, completionTokens: 100, reasoningTokens: 100 } }))),
    );
    expect(answers.filter((answer) => !isRefusal(answer)).length).toBeGreaterThan(1);
    expect(ledger.rows.reduce((sum, { costMicroUsd }) => sum + costMicroUsd, 0)).toBeLessThanOrEqual(budgetDayMicroUsd);
  });
});
