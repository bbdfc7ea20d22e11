/**
 * May this money be spent, and may one more call run: budgets of a tenant for the day and the month
 * (UTC) and calls at one time, over all servers. Before it comes the door of `metering/`; after it
 * one row of the control plane for each tenant, which the ledger can make anew.
 */
import type { TenantId } from "../kernel/ids.js";
import type { Refusal } from "../kernel/refusal.js";
import type { OwnBudget } from "../storage/control/spending-rows.js";
import type { TenantContext } from "../tenancy/tenant-context.js";

export interface Budgets {
  /**
   * Holds `microUsd`, the most that a call can cost, and a place among the running calls.
   * Throws `SERVICE_UNAVAILABLE` when the store fails: what cannot be counted is not spent.
   */
  reserve(context: TenantContext, microUsd: number): Promise<BudgetReservation | Refusal>;
  /** Undefined when neither the tier nor the tenant sets a budget. Throws `SERVICE_UNAVAILABLE`. */
  view(context: TenantContext): Promise<BudgetView | undefined>;
  /** Sets the tenant's own budget; what is left out has the tier's. Throws `BAD_USER_INPUT` for more than the tier's. */
  set(context: TenantContext, budget: OwnBudget): Promise<void>;
  /** Has the tenant's figures read from its ledger again: rows were written past the door, such as corrections. Throws `SERVICE_UNAVAILABLE`. */
  recount(tenantId: TenantId): Promise<void>;
  /** Deletes what is known about the tenant's spending; gives how many rows there were. */
  forget(tenantId: TenantId): Promise<number>;
}

export interface BudgetReservation {
  readonly kind: "BUDGET_RESERVATION";
  /** Holds more for a call that goes on; false when the budget does not allow it. Throws `SERVICE_UNAVAILABLE`. */
  extend(microUsd: number): Promise<boolean>;
  /**
   * Turns the hold into what was spent. The first call counts. Call it when the ledger's rows are
   * durable: a sum of the ledger then never misses what has been settled.
   */
  settle(charges: readonly Charge[]): void;
}

/** What a row of the ledger says. */
export interface Charge {
  readonly microUsd: number;
  readonly at: Date;
}

export interface BudgetView {
  readonly day?: PeriodView;
  readonly month?: PeriodView;
  /** Thresholds that were passed in the present periods. */
  readonly warnings: readonly { readonly period: "DAY" | "MONTH"; readonly percent: number }[];
}

export interface PeriodView {
  readonly limitMicroUsd: number;
  readonly spentMicroUsd: number;
  readonly reservedMicroUsd: number;
  readonly remainingMicroUsd: number;
  readonly resetsAt: Date;
}

/** For a call that no limit concerns. */
export const unboundReservation: BudgetReservation = Object.freeze({ kind: "BUDGET_RESERVATION", extend: async () => true, settle() {} });

/** Where nobody has a budget, as in tests of what lies elsewhere. */
export const noBudgets: Budgets = Object.freeze({ reserve: async () => unboundReservation, view: async () => undefined, set: async () => {}, recount: async () => {}, forget: async () => 0 });
