import type { Telemetry } from "../kernel/telemetry.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import type { MinuteTake, MinuteWindows } from "./minute-windows.js";
import type { TokenReservation } from "./quotas.js";

export interface HeldTokens {
  readonly tokens: number;
  readonly taken: MinuteTake;
}

/** What reservations take from and give back to. */
export interface TokenHolder {
  readonly windows: MinuteWindows;
  readonly telemetry: Telemetry;
  /** Undefined when the limit does not allow it. Throws `SERVICE_UNAVAILABLE`. */
  readonly take: (context: TenantContext, tokens: number) => Promise<MinuteTake | undefined>;
}

/** Tokens taken from sub-windows of the tenant and of the user, to be settled exactly once. */
export class WindowReservation implements TokenReservation {
  readonly kind = "RESERVATION";
  readonly #first: HeldTokens;
  readonly #more: HeldTokens[] = [];
  #tokens: number;
  #settled: Promise<void> | undefined;

  constructor(
    first: HeldTokens,
    private readonly context: TenantContext,
    private readonly holder: TokenHolder,
    /** What all reservations of the tenant hold, as `quota` tells it. */
    private readonly ofTenant: { tokens: number },
  ) {
    this.#first = first;
    this.#tokens = first.tokens;
    ofTenant.tokens += first.tokens;
  }

  get tokens(): number {
    return this.#tokens;
  }

  async extend(tokens: number): Promise<boolean> {
    const taken = await this.holder.take(this.context, tokens);
    if (taken === undefined) return false;
    const more = { tokens, taken };
    if (this.#settled === undefined) {
      this.#more.push(more);
      this.#tokens += tokens;
      this.ofTenant.tokens += tokens;
      return true;
    }
    // Settled while it was on its way: nobody would give it back any more.
    await this.holder.windows.giveBack(taken, tokens);
    return false;
  }

  settle(usedTokens: number): Promise<void> {
    // An abort and a success may both arrive: a second refund would be free quota.
    this.#settled ??= this.#settle(Math.max(0, Math.ceil(usedTokens)));
    return this.#settled;
  }

  async #settle(used: number): Promise<void> {
    const reserved = this.#tokens;
    this.ofTenant.tokens -= reserved;
    try {
      if (used > reserved) return await this.holder.windows.charge(this.#first.taken, used - reserved);
      let unused = reserved - used;
      // The newest first, since it stays longest in the sums; from no part more than was taken there.
      for (let at = this.#more.length - 1; at >= -1 && unused > 0; at -= 1) {
        const held = this.#more[at] ?? this.#first;
        const back = Math.min(unused, held.tokens);
        unused -= back;
        await this.holder.windows.giveBack(held.taken, back);
      }
    } catch (error) {
      // The reservation then stands as it was taken until its window has passed.
      this.holder.telemetry.count("quota_settlements_failed_total");
      this.holder.telemetry.log("warn", "A token reservation could not be settled", { reserved, used, error: String(error) });
    }
  }
}
