import type { TenantId } from "../kernel/ids.js";
import type { SpendingRow } from "../storage/control/spending-rows.js";
import type { TenantLedger } from "../storage/control/usage-rows.js";
import { endOf, startOf, type Periods } from "./budget-limits.js";

export interface Sums {
  readonly day: number;
  readonly month: number;
}

/** What the ledger says was spent in the present periods. Never below zero: correcting rows may outweigh a day. */
export async function sumLedger(ledger: TenantLedger, { day, month }: Periods): Promise<Sums> {
  const days = await ledger.report(startOf(month), endOf(month), "DAY");
  const total = days.reduce((sum, { costMicroUsd }) => sum + costMicroUsd, 0);
  return { day: Math.max(0, days.find(({ key }) => key === day)?.costMicroUsd ?? 0), month: Math.max(0, total) };
}

/**
 * Whether the row's figures are to be made anew: a period has ended, a server died
 * with calls running, or what was counted twice can be told apart now that nothing runs.
 */
export function isStale(row: SpendingRow, { day, month }: Periods, holder: string, nowMs: number): boolean {
  if (row.day !== day || row.month !== month) return true;
  if (row.doubtful && row.running === 0) return true;
  for (const name of Object.keys(row.holds)) if (name !== holder && isOver(row, name, nowMs)) return true;
  return false;
}

/**
 * The row with the ledger's figures and what living servers hold. A call whose row is in the ledger
 * and whose hold is not settled yet counts twice for a moment: too few may pass, never too many. The
 * row says so, and is made anew when nothing runs.
 */
export function renewed(tenantId: TenantId, row: SpendingRow | undefined, periods: Periods, sums: Sums, holder: string, nowMs: number): SpendingRow {
  const holds = Object.entries(row?.holds ?? {}).filter(([name]) => name === holder || (row !== undefined && !isOver(row, name, nowMs)));
  const held = holds.reduce((sum, [, { microUsd }]) => sum + microUsd, 0);
  const running = holds.reduce((sum, [, { calls }]) => sum + calls, 0);
  return {
    tenantId,
    version: (row?.version ?? 0) + 1,
    day: periods.day,
    month: periods.month,
    dayMicroUsd: sums.day + held,
    monthMicroUsd: sums.month + held,
    running,
    // The calls that were lost may have been slow and not dead: their rows may come yet.
    doubtful: held > 0 || running > 0 || running < (row?.running ?? 0),
    holds: Object.fromEntries(holds),
    warned: { day: row?.day === periods.day ? row.warned.day : 0, month: row?.month === periods.month ? row.warned.month : 0 },
    budget: row?.budget ?? {},
    budgetVersion: row?.budgetVersion ?? 0,
  };
}

function isOver(row: SpendingRow, holder: string, nowMs: number): boolean {
  return (row.holds[holder]?.until.getTime() ?? 0) <= nowMs;
}
