import { systemClock, type Clock } from "../kernel/clock.js";
import { badUserInput, serviceUnavailable } from "../kernel/errors.js";
import type { TenantId } from "../kernel/ids.js";
import { refusal, type Refusal } from "../kernel/refusal.js";
import type { Telemetry } from "../kernel/telemetry.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import { CounterStoreFailed, type CounterStore } from "./counter-store.js";
import { openMemoryCounterStore } from "./memory-counter-store.js";
import type { QuotaView, Quotas, RequestAdmission, TokenReservation, WindowView } from "./quotas.js";
import { MinuteWindows, tenantCounter, userLimitOf, type MinuteRefusal, type MinuteTake } from "./minute-windows.js";
import { SlidingWindow } from "./sliding-window.js";
import { WindowReservation } from "./token-reservation.js";

/**
 * The part of a request limit that one server admits alone while the shared store is down. A
 * quarter keeps a deployment of four servers within the limit; a larger one passes it meanwhile.
 */
const localShare = 0.25;

export class TenantQuotas implements Quotas {
  readonly #window: SlidingWindow;
  readonly #windows: MinuteWindows;
  readonly #localWindow: SlidingWindow;
  readonly #local: MinuteWindows;
  readonly #reserved = new Map<TenantId, number>();

  constructor(store: CounterStore, private readonly telemetry: Telemetry, clock: Clock = systemClock) {
    this.#window = new SlidingWindow(store, clock);
    this.#windows = new MinuteWindows(this.#window, store.shared);
    this.#localWindow = new SlidingWindow(openMemoryCounterStore(), clock);
    this.#local = new MinuteWindows(this.#localWindow, false);
  }

  async admitRequests(context: TenantContext, price: number): Promise<RequestAdmission | Refusal> {
    const limit = context.policy.requestsPerMinute;
    assertCount("price", price);
    const most = userLimitOf(context, limit) ?? limit;
    // No waiting makes room for it, so there is no retryAfterMs to give.
    if (price > most) return refusal("RATE_LIMITED", `The document costs ${price} requests, expected at most ${most} a minute`, { limit: most < limit ? "userRequestsPerMinute" : "requestsPerMinute" });
    const taken = await this.#takeRequests(context, price, limit);
    if (taken.kind === "TAKEN") return { kind: "ADMITTED", limit: taken.limit, remaining: taken.remaining, resetsAt: taken.resetsAt };
    const { retryAfterMs } = taken;
    if (taken.of === "USER") return refusal("RATE_LIMITED", `More than the ${taken.limit} requests in a minute that one user may have`, { limit: "userRequestsPerMinute", retryAfterMs });
    return refusal("RATE_LIMITED", `More than ${limit} requests in a minute`, { limit: "requestsPerMinute", retryAfterMs });
  }

  async reserveTokens(context: TenantContext, tokens: number): Promise<TokenReservation | Refusal> {
    const limit = context.policy.tokensPerMinute;
    assertCount("tokens", tokens);
    const bound = Math.min(tokens, userLimitOf(context, limit) ?? limit);
    const take = (more: number): Promise<MinuteTake | MinuteRefusal> => this.#windows.take(context, "tokens", more, limit).catch(failClosed);
    const taken = await take(bound);
    if (taken.kind === "REFUSED") {
      const counting = "counting what running calls may still use";
      if (taken.of === "USER") return refusal("RATE_LIMITED", `More than the ${taken.limit} tokens in a minute that one user may have, ${counting}`, { limit: "userTokensPerMinute", retryAfterMs: taken.retryAfterMs });
      return refusal("RATE_LIMITED", `More than ${limit} tokens in a minute, ${counting}`, { limit: "tokensPerMinute", retryAfterMs: taken.retryAfterMs });
    }
    const takeMore = async (more: number): Promise<MinuteTake | undefined> => {
      assertCount("tokens", more);
      const added = await take(more);
      return added.kind === "TAKEN" ? added : undefined;
    };
    return new WindowReservation({ tokens: bound, parts: taken.parts }, this.#window, this.telemetry, takeMore, (held) => this.#hold(context.tenantId, held));
  }

  async view(context: TenantContext): Promise<QuotaView> {
    const { requestsPerMinute, tokensPerMinute } = context.policy;
    const { tenantId } = context;
    const [requests, tokens] = await Promise.all([this.#window.view(tenantCounter("requests", tenantId)), this.#window.view(tenantCounter("tokens", tenantId))]).catch(failClosed);
    return {
      requests: toView(requestsPerMinute, requests),
      tokens: { ...toView(tokensPerMinute, tokens), reserved: this.#reserved.get(tenantId) ?? 0 },
    };
  }

  /** Deletes the tenant's counters; gives how many there were. Its users' bear no name and end by themselves. Throws `SERVICE_UNAVAILABLE`. */
  async forget(tenantId: TenantId): Promise<number> {
    const names = [tenantCounter("requests", tenantId), tenantCounter("tokens", tenantId)];
    await Promise.all(names.map((name) => this.#localWindow.forget(name)));
    const counts = await Promise.all(names.map((name) => this.#window.forget(name))).catch(failClosed);
    return counts.reduce((sum, count) => sum + count, 0);
  }

  async #takeRequests(context: TenantContext, price: number, limit: number): Promise<MinuteTake | MinuteRefusal> {
    try {
      return await this.#windows.take(context, "requests", price, limit);
    } catch (error) {
      if (!(error instanceof CounterStoreFailed)) throw error;
      // A request alone spends nothing, and reads must not stop with the counters; tokens do stop.
      this.telemetry.count("quota_store_failures_total");
      return this.#local.take(context, "requests", price, Math.max(price, Math.ceil(limit * localShare)));
    }
  }

  #hold(tenantId: TenantId, tokens: number): void {
    const held = (this.#reserved.get(tenantId) ?? 0) + tokens;
    if (held === 0) this.#reserved.delete(tenantId);
    else this.#reserved.set(tenantId, held);
  }
}

/** After a change to a smaller tier more may be used than the limit now is. */
function toView(limit: number, { used, resetsAt }: { used: number; resetsAt: Date }): WindowView {
  return { limit, remaining: Math.max(0, limit - used), resetsAt };
}

/** A bound of zero or less would be admitted by any limit. */
function assertCount(field: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1) throw badUserInput(field, String(value), "a positive integer");
}

function failClosed(error: unknown): never {
  if (error instanceof CounterStoreFailed) throw serviceUnavailable("Limits cannot be counted now, so nothing is spent", 1_000, error);
  throw error;
}
