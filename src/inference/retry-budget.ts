/** What a call adds: so at most one call in ten is a retry over time. */
const perCall = 0.1;
/** Retries that may come at once, and that a fresh or quiet server has. More would not help against a fault that lasts. */
const balanceMax = 10;
/** So that ten tenths make a whole one in floating point. */
const epsilon = 1e-9;

/** Keeps retries from multiplying the load on back ends that fail because of load. */
export class RetryBudget {
  #balance = balanceMax;

  /** For every call, before its first attempt. */
  deposit(): void {
    this.#balance = Math.min(balanceMax, this.#balance + perCall);
  }

  /** Whether one more attempt may be made. */
  take(): boolean {
    if (this.#balance < 1 - epsilon) return false;
    this.#balance -= 1;
    return true;
  }
}
