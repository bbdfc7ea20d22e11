import type { TokenReservation } from "../quotas/quotas.js";

/** One reservation that several calls of a request draw on, so that the request is refused as a whole or not at all. */
export class Envelope {
  readonly kind = "ENVELOPE";
  #used = 0;

  constructor(private readonly reservation: TokenReservation) {}

  /** Tokens that calls have used so far. */
  get usedTokens(): number {
    return this.#used;
  }

  add(tokens: number): void {
    this.#used += tokens;
  }

  /** Gives back what no call used. Never rejects. */
  settle(): Promise<void> {
    return this.reservation.settle(this.#used);
  }
}
