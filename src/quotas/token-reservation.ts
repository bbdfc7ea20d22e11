import type { Telemetry } from "../kernel/telemetry.js";
import type { MinuteTake, WindowPart } from "./minute-windows.js";
import type { TokenReservation } from "./quotas.js";
import type { SlidingWindow } from "./sliding-window.js";

export interface HeldTokens {
  readonly tokens: number;
  readonly parts: readonly WindowPart[];
}

/** Tokens taken from sub-windows of the tenant and of the user, to be settled exactly once. */
export class WindowReservation implements TokenReservation {
  readonly kind = "RESERVATION";
  readonly #held: HeldTokens[];
  #settled: Promise<void> | undefined;

  constructor(
    first: HeldTokens,
    private readonly window: SlidingWindow,
    private readonly telemetry: Telemetry,
    private readonly takeMore: (tokens: number) => Promise<MinuteTake | undefined>,
    /** Told of every change of what is held. */
    private readonly onHeld: (tokens: number) => void,
  ) {
    this.#held = [first];
    onHeld(first.tokens);
  }

  get tokens(): number {
    return this.#held.reduce((sum, { tokens }) => sum + tokens, 0);
  }

  async extend(tokens: number): Promise<boolean> {
    const taken = await this.takeMore(tokens);
    if (taken === undefined) return false;
    const more = { tokens, parts: taken.parts };
    if (this.#settled === undefined) {
      this.#held.push(more);
      this.onHeld(tokens);
      return true;
    }
    // Settled while it was on its way: nobody would give it back any more.
    await this.#giveBack(more, tokens);
    return false;
  }

  settle(usedTokens: number): Promise<void> {
    // An abort and a success may both arrive: a second refund would be free quota.
    this.#settled ??= this.#settle(Math.max(0, Math.ceil(usedTokens)));
    return this.#settled;
  }

  async #settle(used: number): Promise<void> {
    const reserved = this.tokens;
    this.onHeld(-reserved);
    try {
      let unused = reserved - used;
      if (unused < 0) await Promise.all((this.#held[0]?.parts ?? []).map(({ name }) => this.window.charge(name, -unused)));
      // The newest first, since it stays longest in the sums; from no part more than was taken there.
      for (const held of this.#held.toReversed()) {
        const back = Math.min(unused, held.tokens);
        if (back <= 0) break;
        unused -= back;
        await this.#giveBack(held, back);
      }
    } catch (error) {
      // The reservation then stands as it was taken until its window has passed.
      this.telemetry.count("quota_settlements_failed_total");
      this.telemetry.log("warn", "A token reservation could not be settled", { reserved, used, error: String(error) });
    }
  }

  async #giveBack({ parts }: HeldTokens, tokens: number): Promise<void> {
    await Promise.all(parts.map(({ name, index }) => this.window.giveBack(name, tokens, index)));
  }
}
