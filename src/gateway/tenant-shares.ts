import { BulkheadError } from "../kernel/errors.js";
import type { VerifiedCaller } from "../tenancy/verified-caller.js";
import { callerName } from "./request-note.js";

/** What a client that was told to wait may try again after: shares come back whenever something ends. */
const retryAfterMs = 5_000;

/**
 * Counts what each tenant holds open on this server. What is bounded for all together must be
 * bounded for each as well, or the first tenant to come takes the whole of it and the others starve.
 */
export class TenantShares {
  readonly #held = new Map<string, number>();

  constructor(
    /** As the caller is told it, such as `openStreams`. */
    private readonly limit: string,
    private readonly perTenantMax: number,
  ) {}

  /** Takes one and returns the function that gives it back, once. Throws `RATE_LIMITED`. */
  take(caller: VerifiedCaller): () => void {
    const name = callerName(caller);
    const held = this.#held.get(name) ?? 0;
    if (held >= this.perTenantMax) throw new BulkheadError("RATE_LIMITED", `More than ${this.perTenantMax} at once`, { limit: this.limit, retryAfterMs });
    this.#held.set(name, held + 1);
    let isHeld = true;
    return () => {
      if (isHeld) this.#giveBack(name);
      isHeld = false;
    };
  }

  #giveBack(name: string): void {
    const held = (this.#held.get(name) ?? 0) - 1;
    if (held > 0) this.#held.set(name, held);
    else this.#held.delete(name);
  }
}
