import type { Clock } from "../../src/kernel/clock.js";
import type { TenantId } from "../../src/kernel/ids.js";
import { isRefusal, type Refusal } from "../../src/kernel/refusal.js";
import type { BudgetReservation, Charge } from "../../src/quotas/budgets.js";
import { TenantBudgets } from "../../src/quotas/tenant-budgets.js";
import type { SpendingChange, SpendingRow, SpendingStore } from "../../src/storage/control/spending-rows.js";
import type { TierPolicy } from "../../src/tenancy/tier-policy.js";
import { contextOf, MemoryLedger, recordingTelemetry, type RecordingTelemetry } from "../metering/spend-fixtures.js";

/** A clock that tests move. Noon, so that no test runs over midnight by chance. */
export class TestClock implements Clock {
  ms = Date.parse("2026-03-10T12:00:00Z");
  now(): number {
    return this.ms;
  }
}

/** A shared store in memory, with faults. Rows are as the port's contract says. */
export class SharedSpending implements SpendingStore {
  readonly shared = true;
  readonly rows = new Map<TenantId, SpendingRow>();
  changes = 0;
  /** What the next changes do: nothing, fail before, or land and lose the answer. */
  readonly faults: ("BEFORE" | "AFTER" | "LATE")[] = [];
  readonly late: (() => void)[] = [];

  async find(tenantId: TenantId): Promise<SpendingRow | undefined> {
    await Promise.resolve();
    return this.rows.get(tenantId);
  }

  async change(tenantId: TenantId, change: SpendingChange): Promise<SpendingRow | undefined> {
    await Promise.resolve();
    this.changes += 1;
    const fault = this.faults.shift();
    if (fault === "BEFORE") throw new TypeError("The connection broke");
    if (fault === "LATE") {
      this.late.push(() => void this.#apply(tenantId, change));
      throw new TypeError("No answer in time");
    }
    const changed = this.#apply(tenantId, change);
    if (fault === "AFTER") throw new TypeError("The answer was lost");
    return changed;
  }

  async replace(row: SpendingRow): Promise<boolean> {
    await Promise.resolve();
    if ((this.rows.get(row.tenantId)?.version ?? 0) !== row.version - 1) return false;
    this.rows.set(row.tenantId, row);
    return true;
  }

  async remove(tenantId: TenantId): Promise<number> {
    return this.rows.delete(tenantId) ? 1 : 0;
  }

  #apply(tenantId: TenantId, { holder, only, seq, add, until, doubtful }: SpendingChange): SpendingRow | undefined {
    const row = this.rows.get(tenantId);
    const { dayMicroUsdMax = Infinity, monthMicroUsdMax = Infinity, runningMax = Infinity } = only;
    if (row === undefined || row.day !== only.day || row.month !== only.month || row.budgetVersion !== only.budgetVersion || row.holds[holder]?.seq !== only.seq) return undefined;
    if (row.dayMicroUsd > dayMicroUsdMax || row.monthMicroUsd > monthMicroUsdMax || row.running > runningMax) return undefined;
    const hold = row.holds[holder] ?? { microUsd: 0, calls: 0 };
    const changed: SpendingRow = {
      ...row,
      version: row.version + 1,
      dayMicroUsd: row.dayMicroUsd + add.dayMicroUsd,
      monthMicroUsd: row.monthMicroUsd + add.monthMicroUsd,
      running: row.running + add.calls,
      doubtful: doubtful ?? row.doubtful,
      holds: { ...row.holds, [holder]: { seq, microUsd: hold.microUsd + add.heldMicroUsd, calls: hold.calls + add.calls, until } },
    };
    this.rows.set(tenantId, changed);
    return changed;
  }
}

export interface BudgetBench {
  readonly budgets: TenantBudgets;
  readonly ledger: MemoryLedger;
  readonly telemetry: RecordingTelemetry;
  readonly clock: TestClock;
}

/** One server. Servers of one test share store, ledger and clock. */
export function openServer(store: SpendingStore, shared: { ledger?: MemoryLedger; clock?: TestClock } = {}): BudgetBench {
  const { ledger = new MemoryLedger(), clock = new TestClock() } = shared;
  const telemetry = recordingTelemetry();
  return { ledger, clock, telemetry, budgets: new TenantBudgets(store, () => ledger, telemetry, clock) };
}

export function withBudget(policy: Partial<TierPolicy>, tenant = "acme"): ReturnType<typeof contextOf> {
  // None of the limits that the tier itself has.
  return contextOf({ policy: { budgetDayMicroUsd: undefined, budgetMonthMicroUsd: undefined, concurrentCalls: undefined, ...policy }, tenant });
}

export function held(answer: BudgetReservation | Refusal): BudgetReservation {
  if (isRefusal(answer)) throw new TypeError(`Got the refusal ${answer.limit}, expected a reservation`);
  return answer;
}

let calls = 0;

/** What the door does when a call has ended: the row of the ledger first, then the settlement. */
export async function spend({ ledger, clock }: Pick<BudgetBench, "ledger" | "clock">, reservation: BudgetReservation, microUsd: number): Promise<Charge> {
  const charge = { microUsd, at: new Date(clock.now()) };
  calls += 1;
  await ledger.append({
    userPseudonym: "usr_a", requestId: "req_test", path: "ask", callNumber: calls, kind: "COMPLETION", operation: "ask", model: "m", promptTokens: 1, completionTokens: 1,
    cachedPromptTokens: 0, reasoningTokens: 0, priceVersion: "v", costMicroUsd: microUsd, outcome: "OK", at: charge.at,
  } as Parameters<MemoryLedger["append"]>[0]);
  reservation.settle([charge]);
  return charge;
}
