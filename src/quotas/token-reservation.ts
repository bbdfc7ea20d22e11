import type { Telemetry } from "../kernel/telemetry.js";
import type { TokenReservation } from "./quotas.js";
import type { SlidingWindow, WindowTake } from "./sliding-window.js";

/** Tokens taken from the sub-window `index` of the counter `name`, to be settled exactly once. */
export class WindowReservation implements TokenReservation {
  readonly kind = "RESERVATION";
  #settled: Promise<void> | undefined;

  constructor(
    readonly tokens: number,
    private readonly name: string,
    private readonly taken: WindowTake,
    private readonly window: SlidingWindow,
    private readonly telemetry: Telemetry,
    private readonly onSettled: () => void,
  ) {}

  settle(usedTokens: number): Promise<void> {
    // An abort and a success may both arrive: a second refund would be free quota.
    this.#settled ??= this.#settle(Math.max(0, Math.ceil(usedTokens)));
    return this.#settled;
  }

  async #settle(used: number): Promise<void> {
    this.onSettled();
    try {
      if (used < this.tokens) await this.window.giveBack(this.name, this.tokens - used, this.taken.index);
      else if (used > this.tokens) await this.window.charge(this.name, used - this.tokens);
    } catch (error) {
      // The reservation then stands as it was taken until its window has passed.
      this.telemetry.count("quota_settlements_failed_total");
      this.telemetry.log("warn", "A token reservation could not be settled", { reserved: this.tokens, used, error: String(error) });
    }
  }
}
