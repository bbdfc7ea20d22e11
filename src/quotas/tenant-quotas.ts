import { systemClock, type Clock } from "../kernel/clock.js";
import { badUserInput, serviceUnavailable } from "../kernel/errors.js";
import type { TenantId } from "../kernel/ids.js";
import { refusal, type Refusal } from "../kernel/refusal.js";
import type { Telemetry } from "../kernel/telemetry.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import { CounterStoreFailed, type CounterStore } from "./counter-store.js";
import { openMemoryCounterStore } from "./memory-counter-store.js";
import type { QuotaView, Quotas, RequestAdmission, TokenReservation, WindowView } from "./quotas.js";
import { SlidingWindow, type WindowTake } from "./sliding-window.js";
import { WindowReservation } from "./token-reservation.js";

/**
 * The part of a request limit that one server admits alone while the shared store is down. A
 * quarter keeps a deployment of four servers within the limit; a larger one passes it meanwhile.
 */
const localShare = 0.25;

export class TenantQuotas implements Quotas {
  readonly #window: SlidingWindow;
  readonly #local: SlidingWindow;
  readonly #reserved = new Map<TenantId, number>();

  constructor(store: CounterStore, private readonly telemetry: Telemetry, clock: Clock = systemClock) {
    this.#window = new SlidingWindow(store, clock);
    this.#local = new SlidingWindow(openMemoryCounterStore(), clock);
  }

  async admitRequests(context: TenantContext, price: number): Promise<RequestAdmission | Refusal> {
    const limit = context.policy.requestsPerMinute;
    assertCount("price", price);
    // No waiting makes room for it, so there is no retryAfterMs to give.
    if (price > limit) return refusal("RATE_LIMITED", `The document costs ${price} requests, expected at most the ${limit} a minute of the tier`, { limit: "requestsPerMinute" });
    const taken = await this.#takeRequests(context, price, limit);
    if (taken.kind === "REFUSED") return refusal("RATE_LIMITED", `More than ${limit} requests in a minute`, { limit: "requestsPerMinute", retryAfterMs: taken.retryAfterMs });
    return { kind: "ADMITTED", limit, remaining: limit - taken.used, resetsAt: taken.resetsAt };
  }

  async reserveTokens(context: TenantContext, tokens: number): Promise<TokenReservation | Refusal> {
    const limit = context.policy.tokensPerMinute;
    assertCount("tokens", tokens);
    const name = tokensOf(context);
    const bound = Math.min(tokens, limit);
    const taken = await this.#window.take(name, bound, limit).catch(failClosed);
    if (taken.kind === "REFUSED") {
      return refusal("RATE_LIMITED", `More than ${limit} tokens in a minute, counting what running calls may still use`, { limit: "tokensPerMinute", retryAfterMs: taken.retryAfterMs });
    }
    return this.#reservation(context.tenantId, name, bound, taken);
  }

  async view(context: TenantContext): Promise<QuotaView> {
    const { requestsPerMinute, tokensPerMinute } = context.policy;
    const [requests, tokens] = await Promise.all([this.#window.view(requestsOf(context)), this.#window.view(tokensOf(context))]).catch(failClosed);
    return {
      requests: toView(requestsPerMinute, requests),
      tokens: { ...toView(tokensPerMinute, tokens), reserved: this.#reserved.get(context.tenantId) ?? 0 },
    };
  }

  /** Deletes the tenant's counters; gives how many there were. Throws `SERVICE_UNAVAILABLE`. */
  async forget(tenantId: TenantId): Promise<number> {
    const names = [requestsOf({ tenantId }), tokensOf({ tenantId })];
    await Promise.all(names.map((name) => this.#local.forget(name)));
    const counts = await Promise.all(names.map((name) => this.#window.forget(name))).catch(failClosed);
    return counts.reduce((sum, count) => sum + count, 0);
  }

  async #takeRequests(context: TenantContext, price: number, limit: number): Promise<Awaited<ReturnType<SlidingWindow["take"]>>> {
    try {
      return await this.#window.take(requestsOf(context), price, limit);
    } catch (error) {
      if (!(error instanceof CounterStoreFailed)) throw error;
      // A request alone spends nothing, and reads must not stop with the counters; tokens do stop.
      this.telemetry.count("quota_store_failures_total");
      return this.#local.take(requestsOf(context), price, Math.max(price, Math.ceil(limit * localShare)));
    }
  }

  #reservation(tenantId: TenantId, name: string, tokens: number, taken: WindowTake): TokenReservation {
    this.#hold(tenantId, tokens);
    return new WindowReservation(tokens, name, taken, this.#window, this.telemetry, () => this.#hold(tenantId, -tokens));
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

function requestsOf(context: Pick<TenantContext, "tenantId">): string {
  return `requests:${context.tenantId}`;
}

function tokensOf(context: Pick<TenantContext, "tenantId">): string {
  return `tokens:${context.tenantId}`;
}

/** A bound of zero or less would be admitted by any limit. */
function assertCount(field: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1) throw badUserInput(field, String(value), "a positive integer");
}

function failClosed(error: unknown): never {
  if (error instanceof CounterStoreFailed) throw serviceUnavailable("Limits cannot be counted now, so nothing is spent", 1_000, error);
  throw error;
}
