import type { Charge } from "../quotas/budgets.js";
import type { CallReservation } from "./call-reservation.js";
import type { Place } from "./fair-queue.js";

/** What one call of an envelope used, once its row of the ledger is durable. */
export interface UsedByCall {
  readonly tokens: number;
  readonly charge: Charge;
  readonly row: Promise<void>;
}

/** One reservation that several calls of a request draw on, so that the request is refused as a whole or not at all. */
export class Envelope {
  readonly kind = "ENVELOPE";
  readonly #used: UsedByCall[] = [];

  /** `place`: in the line for the model, until the completion takes it. */
  constructor(private readonly reservation: CallReservation, readonly place?: Place) {}

  /** Tokens that calls have used so far. */
  get usedTokens(): number {
    return this.#used.reduce((sum, { tokens }) => sum + tokens, 0);
  }

  add(used: UsedByCall): void {
    this.#used.push(used);
  }

  /** Holds more for a call that goes on; false when a limit does not allow it. Throws `SERVICE_UNAVAILABLE`. */
  extend(tokens: number, microUsd: number): Promise<boolean> {
    return this.reservation.extend(tokens, microUsd);
  }

  /** Gives back what no call used. Never rejects. */
  settle(): Promise<void> {
    // Answered from the cache, failed, or left before the completion came to the line.
    this.place?.leave();
    return this.reservation.settle(this.#used);
  }
}
