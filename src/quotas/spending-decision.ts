import { refusal, type Refusal } from "../kernel/refusal.js";
import type { SpendingChange, SpendingRow } from "../storage/control/spending-rows.js";
import type { TierPolicy } from "../tenancy/tier-policy.js";
import { endOf, heldOf, limitsOf, periodsAt, type LimitName } from "./budget-limits.js";
import type { Charge } from "./budgets.js";

/** A part of the tenant's hold, of one server. */
export interface HeldPart {
  readonly microUsd: number;
  readonly calls: number;
  /** Parts of an earlier generation were taken back by another server and are held no more. */
  readonly generation: number;
}

export interface Ask {
  readonly policy: TierPolicy;
  readonly microUsd: number;
  readonly calls: number;
  readonly resolve: (answer: HeldPart | Refusal) => void;
  readonly reject: (error: unknown) => void;
}

export interface Release {
  readonly parts: readonly HeldPart[];
  readonly charges: readonly Charge[];
}

export interface Decision {
  readonly accepted: readonly Ask[];
  readonly refused: readonly { readonly ask: Ask; readonly limit: LimitName; readonly retryAfterMs: number; readonly isSpent: boolean }[];
  readonly releases: readonly Release[];
  readonly add: SpendingChange["add"];
  /** The lowest limits of those accepted, Infinity for none. */
  readonly least: { readonly day: number; readonly month: number; readonly calls: number };
  /** A part that another server has taken back was settled: its row of the ledger may have been summed already. */
  readonly isDoubtful: boolean;
}

/** How soon a running call may end and make room. */
const soonMs = 1_000;

/**
 * Which of the asks fit, first come first served, and what the row becomes. A smaller ask behind one
 * that does not fit may pass: what is left of a budget can still be used.
 */
export function decide(row: SpendingRow, asks: readonly Ask[], releases: readonly Release[], generation: number, nowMs: number): Decision {
  const add = { dayMicroUsd: 0, monthMicroUsd: 0, heldMicroUsd: 0, calls: 0 };
  let isDoubtful = false;
  for (const { parts, charges } of releases) {
    for (const part of parts) {
      if (part.generation !== generation) isDoubtful = true;
      else hold(add, -part.microUsd, -part.calls);
    }
    // A row of yesterday's ledger is no cost of today.
    for (const { microUsd, at } of charges) {
      const { day, month } = periodsAt(at.getTime());
      if (day === row.day) add.dayMicroUsd += microUsd;
      if (month === row.month) add.monthMicroUsd += microUsd;
    }
  }
  const accepted: Ask[] = [];
  const refused: Decision["refused"][number][] = [];
  const least = { day: Infinity, month: Infinity, calls: Infinity };
  for (const ask of asks) {
    const { day = Infinity, month = Infinity, calls = Infinity } = limitsOf(ask.policy, row.budget);
    const limit = row.monthMicroUsd + add.monthMicroUsd + ask.microUsd > month ? "budgetMonth" : row.dayMicroUsd + add.dayMicroUsd + ask.microUsd > day ? "budgetDay" : row.running + add.calls + ask.calls > calls ? "concurrentCalls" : undefined;
    if (limit !== undefined) {
      refused.push({ ask, limit, ...waitFor(limit, row, add, ask, { day, month }, nowMs) });
      continue;
    }
    hold(add, ask.microUsd, ask.calls);
    accepted.push(ask);
    least.day = Math.min(least.day, day);
    least.month = Math.min(least.month, month);
    if (ask.calls > 0) least.calls = Math.min(least.calls, calls);
  }
  return { accepted, refused, releases, add, least, isDoubtful };
}

/** What may stand in the row before the change, for the limits to hold after it. */
export function boundsOf({ least, add }: Decision): Pick<SpendingChange["only"], "dayMicroUsdMax" | "monthMicroUsdMax" | "runningMax"> {
  return {
    ...(least.day === Infinity ? {} : { dayMicroUsdMax: least.day - add.dayMicroUsd }),
    ...(least.month === Infinity ? {} : { monthMicroUsdMax: least.month - add.monthMicroUsd }),
    ...(least.calls === Infinity ? {} : { runningMax: least.calls - add.calls }),
  };
}

export function refusalOf({ limit, retryAfterMs }: { limit: LimitName; retryAfterMs: number }): Refusal {
  if (limit === "concurrentCalls") return refusal("RATE_LIMITED", "More model calls at one time than the tier allows", { limit, retryAfterMs });
  const period = limit === "budgetDay" ? "day" : "month";
  return refusal("BUDGET_EXCEEDED", `The budget of the ${period} does not cover the call, counting what running calls may still cost`, { limit, retryAfterMs });
}

function hold(add: { dayMicroUsd: number; monthMicroUsd: number; heldMicroUsd: number; calls: number }, microUsd: number, calls: number): void {
  add.dayMicroUsd += microUsd;
  add.monthMicroUsd += microUsd;
  add.heldMicroUsd += microUsd;
  add.calls += calls;
}

/** Until the period ends, when what was spent alone leaves no room; else until running calls give back what they do not use. */
function waitFor(limit: LimitName, row: SpendingRow, add: SpendingChange["add"], ask: Ask, limits: { day: number; month: number }, nowMs: number): { retryAfterMs: number; isSpent: boolean } {
  if (limit === "concurrentCalls") return { retryAfterMs: soonMs, isSpent: false };
  const [used, most, period] = limit === "budgetDay" ? [row.dayMicroUsd + add.dayMicroUsd, limits.day, row.day] : [row.monthMicroUsd + add.monthMicroUsd, limits.month, row.month];
  const isSpent = used - heldOf(row) - add.heldMicroUsd + ask.microUsd > most;
  return { isSpent, retryAfterMs: isSpent ? Math.max(1, endOf(period).getTime() - nowMs) : soonMs };
}
