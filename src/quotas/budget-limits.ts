import type { OwnBudget, SpendingRow } from "../storage/control/spending-rows.js";
import type { TierPolicy } from "../tenancy/tier-policy.js";

/** Undefined: no limit. */
export interface BudgetLimits {
  readonly day: number | undefined;
  readonly month: number | undefined;
  readonly calls: number | undefined;
}

export interface Periods {
  /** As `2026-03-01`. */
  readonly day: string;
  /** As `2026-03`. */
  readonly month: string;
}

export type LimitName = "budgetDay" | "budgetMonth" | "concurrentCalls";

/** Thresholds of a budget that are told once a period, in percent, rising. */
export const thresholds = [50, 80, 100] as const;

/** The lower of the tier's and the tenant's own: a tenant that comes to a smaller tier keeps no larger budget. */
export function limitsOf(policy: TierPolicy, own: OwnBudget = {}): BudgetLimits {
  return { day: lower(policy.budgetDayMicroUsd, own.day), month: lower(policy.budgetMonthMicroUsd, own.month), calls: policy.concurrentCalls };
}

export function isLimited({ day, month, calls }: BudgetLimits): boolean {
  return day !== undefined || month !== undefined || calls !== undefined;
}

const dayMs = 86_400_000;
/** The day that was asked for last. Nearly every call of a day asks for it, several times. */
let latest: { readonly fromMs: number; readonly periods: Periods } = { fromMs: NaN, periods: { day: "", month: "" } };

export function periodsAt(ms: number): Periods {
  if (ms >= latest.fromMs && ms < latest.fromMs + dayMs) return latest.periods;
  const iso = new Date(ms).toISOString();
  latest = { fromMs: Math.floor(ms / dayMs) * dayMs, periods: { day: iso.slice(0, 10), month: iso.slice(0, 7) } };
  return latest.periods;
}

/** Periods only go forward: a server whose clock is behind must not begin the old day anew. */
export function laterOf(now: Periods, row: Periods | undefined): Periods {
  return row !== undefined && row.day > now.day ? row : now;
}

export function startOf(period: string): Date {
  return new Date(period.length === 7 ? `${period}-01T00:00:00Z` : `${period}T00:00:00Z`);
}

export function endOf(period: string): Date {
  const start = startOf(period);
  return period.length === 7 ? new Date(Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + 1, 1)) : new Date(start.getTime() + dayMs);
}

export function heldOf({ holds }: SpendingRow): number {
  let sum = 0;
  for (const name in holds) sum += holds[name]?.microUsd ?? 0;
  return sum;
}

/** The highest threshold that `spent` has reached, 0 for none. */
export function thresholdOf(spent: number, limit: number | undefined): number {
  if (limit === undefined) return 0;
  let passed = 0;
  for (const percent of thresholds) if (spent * 100 >= limit * percent) passed = percent;
  return passed;
}

function lower(one: number | undefined, other: number | undefined): number | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return Math.min(one, other);
}
