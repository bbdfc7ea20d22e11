import type { BudgetReservation } from "../quotas/budgets.js";
import type { TokenReservation } from "../quotas/quotas.js";
import type { UsedByCall } from "./envelope.js";

/** Tokens of the minute and money of the budgets, held together and settled together. */
export class CallReservation {
  readonly kind = "CALL_RESERVATION";

  constructor(
    private readonly tokens: TokenReservation,
    private readonly budget: BudgetReservation,
  ) {}

  /** Holds more of both for a call that goes on. What one store gave before the other refused stays held until the end. */
  async extend(tokens: number, microUsd: number): Promise<boolean> {
    return (await this.tokens.extend(tokens)) && (await this.budget.extend(microUsd));
  }

  /** The first call counts. Never rejects, and does not wait for the money: its hold is leased, and no caller needs it. */
  settle(used: readonly UsedByCall[]): Promise<void> {
    void this.#settleBudget(used);
    return this.tokens.settle(used.reduce((sum, { tokens }) => sum + tokens, 0));
  }

  /** The ledger first: its sum then never misses what was settled, and figures can be made of it at any time. */
  async #settleBudget(used: readonly UsedByCall[]): Promise<void> {
    // A row that could not be written has raised an alarm, and what it says was spent all the same.
    for (const { row } of used) await row.catch(() => undefined);
    this.budget.settle(used.map(({ charge }) => charge));
  }
}
