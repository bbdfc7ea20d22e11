/** How much of a minute's allowance may be used at once after a quiet time, in seconds of it. */
export const burstSeconds = 1;

/**
 * A part of a limit a minute. Refilled steadily, and never above `burstSeconds` of itself. A call may
 * start while anything is left and is charged whole, so one call at most goes over; what it did not
 * use is given back when it ends.
 */
export class RateBucket {
  #balance: number;
  #at: number;
  #until = Number.POSITIVE_INFINITY;

  /** `portion` of the limit, from 0 to 1. */
  constructor(private readonly perMinute: number, private portion: number, private readonly now: () => number) {
    this.#balance = this.#capacity;
    this.#at = now();
  }

  /** Makes it this part of the limit. It is refilled no longer than `until`, a time of the same clock. */
  resize(portion: number, until: number): void {
    this.#refill();
    // A server that slept past its lease has not earned the time in which others had its part.
    this.#at = this.now();
    this.portion = portion;
    this.#until = until;
    this.#balance = Math.min(this.#balance, this.#capacity);
  }

  /** Until a call may start, in milliseconds; infinite when nothing is refilled. */
  get pauseMs(): number {
    this.#refill();
    if (this.#balance > 0) return 0;
    return this.portion === 0 ? Number.POSITIVE_INFINITY : Math.max(1, -this.#balance / this.#perMs);
  }

  /** Negative: given back. */
  charge(amount: number): void {
    this.#refill();
    this.#balance = Math.min(this.#capacity, this.#balance - amount);
  }

  get #perMs(): number {
    return (this.perMinute * this.portion) / 60_000;
  }

  get #capacity(): number {
    return this.#perMs * burstSeconds * 1_000;
  }

  #refill(): void {
    const at = Math.min(this.now(), this.#until);
    if (at <= this.#at) return;
    this.#balance = Math.min(this.#capacity, this.#balance + (at - this.#at) * this.#perMs);
    this.#at = at;
  }
}
