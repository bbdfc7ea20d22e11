import { randomBytes } from "node:crypto";
import { systemClock, type Clock } from "../kernel/clock.js";
import { badUserInput, serviceUnavailable } from "../kernel/errors.js";
import type { TenantId } from "../kernel/ids.js";
import { isRefusal, type Refusal } from "../kernel/refusal.js";
import type { Telemetry } from "../kernel/telemetry.js";
import type { OwnBudget, SpendingRow, SpendingStore } from "../storage/control/spending-rows.js";
import type { TenantLedger } from "../storage/control/usage-rows.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import { HeldBudget } from "./budget-reservation.js";
import { endOf, heldOf, isLimited, limitsOf, thresholds, thresholdOf, type LimitName } from "./budget-limits.js";
import { unboundReservation, type BudgetReservation, type Budgets, type BudgetView, type PeriodView } from "./budgets.js";
import { OwnBudgets } from "./own-budgets.js";
import type { Decision } from "./spending-decision.js";
import { sumLedger } from "./spending-figures.js";
import { SpendingLane } from "./spending-lane.js";

/** Three beats are lost before a lease is. */
const beatMs = 10_000;
/** Tenants whose figures are remembered; past it those that hold nothing are forgotten and read again. */
const lanesMax = 10_000;
const attemptsMax = 12;

/** Budgets of all tenants as this server counts them. */
export class TenantBudgets implements Budgets {
  /** New at each start: a server that was killed and comes back must not take its own old holds for living. */
  readonly #holder = randomBytes(9).toString("base64url");
  readonly #lanes = new Map<TenantId, SpendingLane>();
  readonly #own: OwnBudgets;
  readonly #beats: NodeJS.Timeout;

  constructor(
    private readonly store: SpendingStore,
    private readonly ledgerOf: (context: TenantContext) => TenantLedger,
    private readonly telemetry: Telemetry,
    private readonly clock: Clock = systemClock,
  ) {
    this.#own = new OwnBudgets(store);
    this.#beats = setInterval(() => this.#beat(), beatMs).unref();
  }

  async reserve(context: TenantContext, microUsd: number): Promise<BudgetReservation | Refusal> {
    if (!isLimited(limitsOf(context.policy)) && !(await this.#own.has(context.tenantId))) return unboundReservation;
    const lane = this.#laneOf(context);
    const asked = lane.ask(context.policy, microUsd, 1);
    const part = asked instanceof Promise ? await asked : asked;
    return isRefusal(part) ? part : new HeldBudget(lane, context.policy, part);
  }

  async view(context: TenantContext): Promise<BudgetView | undefined> {
    const tier = limitsOf(context.policy);
    if (tier.day === undefined && tier.month === undefined && !(await this.#own.has(context.tenantId))) return undefined;
    const row = await this.#laneOf(context).look();
    const limits = limitsOf(context.policy, row.budget);
    return {
      ...(limits.day === undefined ? {} : { day: viewOf(limits.day, row.dayMicroUsd, row, row.day) }),
      ...(limits.month === undefined ? {} : { month: viewOf(limits.month, row.monthMicroUsd, row, row.month) }),
      warnings: [
        ...thresholds.filter((percent) => percent <= row.warned.day).map((percent) => ({ period: "DAY" as const, percent })),
        ...thresholds.filter((percent) => percent <= row.warned.month).map((percent) => ({ period: "MONTH" as const, percent })),
      ],
    };
  }

  async set(context: TenantContext, budget: OwnBudget): Promise<void> {
    const { budgetDayMicroUsd, budgetMonthMicroUsd } = context.policy;
    assertWithin("day", budget.day, budgetDayMicroUsd);
    assertWithin("month", budget.month, budgetMonthMicroUsd);
    await this.#rewrite(context.tenantId, (row) => withBudget(context.tenantId, row, budget));
    this.#own.forget(context.tenantId);
  }

  /** What is counted now is thrown away, as at the end of a day: a reservation that follows, on any server, reads the ledger first. */
  recount(tenantId: TenantId): Promise<void> {
    // Without a row nothing has been counted that could be wrong.
    return this.#rewrite(tenantId, (row) => row && { ...row, version: row.version + 1, day: "", warned: { day: 0, month: 0 } });
  }

  async forget(tenantId: TenantId): Promise<number> {
    this.#lanes.delete(tenantId);
    this.#own.forget(tenantId);
    return this.store.remove(tenantId);
  }

  /** Until what was settled has been written. */
  async close(): Promise<void> {
    clearInterval(this.#beats);
    await Promise.all([...this.#lanes.values()].map((lane) => lane.drained()));
  }

  #laneOf(context: TenantContext): SpendingLane {
    const { tenantId } = context;
    const known = this.#lanes.get(tenantId);
    if (known !== undefined) return known;
    if (this.#lanes.size >= lanesMax) this.#forgetIdle();
    const lane = new SpendingLane({
      tenantId,
      holder: this.#holder,
      store: this.store,
      // Of the context the ledger takes the tenant alone, so the first one serves for all.
      sums: (periods) => sumLedger(this.ledgerOf(context), periods),
      clock: this.clock,
      onChanged: (row, refused) => this.#watch(context, row, refused),
    });
    this.#lanes.set(tenantId, lane);
    return lane;
  }

  async #rewrite(tenantId: TenantId, rewritten: (row: SpendingRow | undefined) => SpendingRow | undefined): Promise<void> {
    for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
      const next = rewritten(await this.store.find(tenantId));
      if (next !== undefined && !(await this.store.replace(next))) continue;
      this.#lanes.get(tenantId)?.forgetRow();
      return;
    }
    throw serviceUnavailable("The tenant's spending changes too fast to be written anew");
  }

  #forgetIdle(): void {
    for (const [tenantId, lane] of this.#lanes) if (lane.isIdle) this.#lanes.delete(tenantId);
  }

  #beat(): void {
    if (this.store.shared) for (const lane of this.#lanes.values()) lane.beat();
  }

  #watch(context: TenantContext, row: SpendingRow, refused: Decision["refused"]): void {
    const limits = limitsOf(refused[0]?.ask.policy ?? context.policy, row.budget);
    const held = heldOf(row);
    const day = isSpent(refused, "budgetDay") ? 100 : thresholdOf(row.dayMicroUsd - held, limits.day);
    const month = isSpent(refused, "budgetMonth") ? 100 : thresholdOf(row.monthMicroUsd - held, limits.month);
    if (day > row.warned.day || month > row.warned.month) void this.#warn(context, row, day, month);
  }

  /** Each threshold is told once a period: by the server that gets to write that it was. */
  async #warn({ tenantId, policy }: TenantContext, row: SpendingRow, day: number, month: number): Promise<void> {
    const warned = { day: Math.max(day, row.warned.day), month: Math.max(month, row.warned.month) };
    try {
      if (!(await this.store.replace({ ...row, version: row.version + 1, warned }))) return;
    } catch (error) {
      return this.telemetry.log("warn", "A warning about a budget could not be kept and will be tried again", { tenantId, error: String(error) });
    }
    this.#tell(tenantId, policy.tier, "DAY", row.warned.day, warned.day);
    this.#tell(tenantId, policy.tier, "MONTH", row.warned.month, warned.month);
  }

  #tell(tenantId: TenantId, tier: string, period: "DAY" | "MONTH", before: number, now: number): void {
    for (const percent of thresholds.filter((threshold) => threshold > before && threshold <= now)) {
      this.telemetry.count("budget_warnings_total", { tier, period, percent: String(percent) });
      this.telemetry.log("warn", "A tenant has passed a threshold of its budget", { tenantId, period, percent });
    }
  }
}

function isSpent(refused: Decision["refused"], limit: LimitName): boolean {
  return refused.some((one) => one.limit === limit && one.isSpent);
}

function viewOf(limitMicroUsd: number, committed: number, row: SpendingRow, period: string): PeriodView {
  const reservedMicroUsd = heldOf(row);
  return { limitMicroUsd, spentMicroUsd: committed - reservedMicroUsd, reservedMicroUsd, remainingMicroUsd: Math.max(0, limitMicroUsd - committed), resetsAt: endOf(period) };
}

/** The figures are read from the ledger again: what was spent before there was a budget was not counted. */
function withBudget(tenantId: TenantId, row: SpendingRow | undefined, budget: OwnBudget): SpendingRow {
  const blank: SpendingRow = { tenantId, version: 0, day: "", month: "", dayMicroUsd: 0, monthMicroUsd: 0, running: 0, doubtful: false, holds: {}, warned: { day: 0, month: 0 }, budget: {}, budgetVersion: 0 };
  const before = row ?? blank;
  return { ...before, version: before.version + 1, day: "", budget, budgetVersion: before.budgetVersion + 1, warned: { day: 0, month: 0 } };
}

function assertWithin(field: string, own: number | undefined, tier: number | undefined): void {
  if (own === undefined) return;
  if (!Number.isSafeInteger(own) || own < 0) throw badUserInput(field, String(own), "a whole number of micro-dollars, 0 or more");
  if (tier !== undefined && own > tier) throw badUserInput(field, String(own), `at most the ${tier} micro-dollars of the tier`);
}
