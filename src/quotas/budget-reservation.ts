import { isRefusal } from "../kernel/refusal.js";
import type { TierPolicy } from "../tenancy/tier-policy.js";
import type { BudgetReservation, Charge } from "./budgets.js";
import type { HeldPart } from "./spending-decision.js";
import type { SpendingLane } from "./spending-lane.js";

/** What one call, or the calls of one question, hold of the tenant's budget. */
export class HeldBudget implements BudgetReservation {
  readonly kind = "BUDGET_RESERVATION";
  readonly #parts: HeldPart[];
  #isSettled = false;

  constructor(private readonly lane: SpendingLane, private readonly policy: TierPolicy, first: HeldPart) {
    this.#parts = [first];
  }

  async extend(microUsd: number): Promise<boolean> {
    const part = await this.lane.ask(this.policy, microUsd, 0);
    if (isRefusal(part)) return false;
    // Settled while it was on its way: nobody would give it back any more.
    if (this.#isSettled) this.lane.release({ parts: [part], charges: [] });
    else this.#parts.push(part);
    return !this.#isSettled;
  }

  settle(charges: readonly Charge[]): void {
    // An abort and a success may both arrive: a second release would be money given away.
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.lane.release({ parts: this.#parts, charges });
  }
}
