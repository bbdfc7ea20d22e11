import { systemClock, type Clock } from "../kernel/clock.js";
import { badUserInput, serviceUnavailable } from "../kernel/errors.js";
import type { TenantId } from "../kernel/ids.js";
import { refusal, type Refusal } from "../kernel/refusal.js";
import type { Telemetry } from "../kernel/telemetry.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import { CounterStoreFailed, type CounterStore } from "./counter-store.js";
import { LostCounters, type SpentSince } from "./lost-counters.js";
import { openMemoryCounterStore } from "./memory-counter-store.js";
import type { QuotaView, Quotas, RequestAdmission, TokenReservation, WindowView } from "./quotas.js";
import { MinuteWindows, tenantCounter, tighterOf, userLimitOf, type MinuteRefusal, type MinuteTake } from "./minute-windows.js";
import { SlidingWindow } from "./sliding-window.js";
import { WindowReservation, type TokenHolder } from "./token-reservation.js";

/**
 * The part of a request limit that one server admits alone while the shared store is down. A
 * quarter keeps a deployment of four servers within the limit; a larger one passes it meanwhile.
 */
const localShare = 0.25;

/** Tenants whose held tokens are remembered; past it those that hold none are forgotten. */
const rememberedMax = 20_000;

export class TenantQuotas implements Quotas {
  readonly #window: SlidingWindow;
  readonly #windows: MinuteWindows;
  readonly #localWindow: SlidingWindow;
  readonly #local: MinuteWindows;
  readonly #reserved = new Map<TenantId, { tokens: number }>();
  readonly #holder: TokenHolder;

  readonly #lost: LostCounters | undefined;

  /** `spentSince`: left out, counters that were lost are lost. */
  constructor(private readonly store: CounterStore, private readonly telemetry: Telemetry, private readonly clock: Clock = systemClock, spentSince?: SpentSince) {
    this.#window = new SlidingWindow(store, clock);
    this.#windows = new MinuteWindows(this.#window, store.shared);
    this.#localWindow = new SlidingWindow(openMemoryCounterStore(), clock);
    this.#local = new MinuteWindows(this.#localWindow, false);
    if (spentSince !== undefined) {
      this.#lost = new LostCounters(spentSince, this.#window);
    }
    this.#holder = { windows: this.#windows, telemetry, take: (context, more) => this.#takeMore(context, more) };
  }

  async admitRequests(context: TenantContext, price: number): Promise<RequestAdmission | Refusal> {
    const limit = context.policy.requestsPerMinute;
    assertCount("price", price);
    const most = userLimitOf(context, limit) ?? limit;
    // No waiting makes room for it, so there is no retryAfterMs to give.
    if (price > most) return refusal("RATE_LIMITED", `The document costs ${price} requests, expected at most ${most} a minute`, { limit: most < limit ? "userRequestsPerMinute" : "requestsPerMinute" });
    let taken: MinuteTake | MinuteRefusal;
    try {
      taken = await this.#windows.take(context, "requests", price, limit);
    } catch (error) {
      taken = await this.#takeLocally(context, price, limit, error);
    }
    if (taken.kind === "TAKEN") {
      const tighter = tighterOf(taken);
      return { kind: "ADMITTED", limit: tighter.limit, remaining: tighter.limit - tighter.used, resetsAt: tighter.resetsAt };
    }
    const { retryAfterMs } = taken;
    if (taken.ofUser) return refusal("RATE_LIMITED", `More than the ${taken.limit} requests in a minute that one user may have`, { limit: "userRequestsPerMinute", retryAfterMs });
    return refusal("RATE_LIMITED", `More than ${limit} requests in a minute`, { limit: "requestsPerMinute", retryAfterMs });
  }

  async reserveTokens(context: TenantContext, tokens: number): Promise<TokenReservation | Refusal> {
    const limit = context.policy.tokensPerMinute;
    assertCount("tokens", tokens);
    const bound = Math.min(tokens, userLimitOf(context, limit) ?? limit);
    let taken: MinuteTake | MinuteRefusal;
    try {
      const { generation } = this.store;
      // Nearly always it is, and then nothing is waited for.
      if (this.#lost?.isCounted(context, generation) === false) await this.#lost.count(context, generation, this.clock.now());
      taken = await this.#windows.take(context, "tokens", bound, limit);
    } catch (error) {
      return failClosed(error);
    }
    if (taken.kind === "TAKEN") return new WindowReservation({ tokens: bound, taken }, context, this.#holder, this.#heldOf(context.tenantId));
    const counting = "counting what running calls may still use";
    const { retryAfterMs } = taken;
    if (taken.ofUser) return refusal("RATE_LIMITED", `More than the ${taken.limit} tokens in a minute that one user may have, ${counting}`, { limit: "userTokensPerMinute", retryAfterMs });
    return refusal("RATE_LIMITED", `More than ${limit} tokens in a minute, ${counting}`, { limit: "tokensPerMinute", retryAfterMs });
  }

  async view(context: TenantContext): Promise<QuotaView> {
    const { requestsPerMinute, tokensPerMinute } = context.policy;
    const { tenantId } = context;
    const [requests, tokens] = await Promise.all([this.#window.view(tenantCounter("requests", tenantId)), this.#window.view(tenantCounter("tokens", tenantId))]).catch(failClosed);
    return {
      requests: toView(requestsPerMinute, requests),
      tokens: { ...toView(tokensPerMinute, tokens), reserved: this.#reserved.get(tenantId)?.tokens ?? 0 },
    };
  }

  /** Deletes the tenant's counters; gives how many there were. Its users' bear no name and end by themselves. Throws `SERVICE_UNAVAILABLE`. */
  async forget(tenantId: TenantId): Promise<number> {
    const names = [tenantCounter("requests", tenantId), tenantCounter("tokens", tenantId)];
    await Promise.all(names.map((name) => this.#localWindow.forget(name)));
    const counts = await Promise.all(names.map((name) => this.#window.forget(name))).catch(failClosed);
    return counts.reduce((sum, count) => sum + count, 0);
  }

  #takeLocally(context: TenantContext, price: number, limit: number, error: unknown): Promise<MinuteTake | MinuteRefusal> {
    if (!(error instanceof CounterStoreFailed)) throw error;
    // A request alone spends nothing, and reads must not stop with the counters; tokens do stop.
    this.telemetry.count("quota_store_failures_total");
    return this.#local.take(context, "requests", price, Math.max(price, Math.ceil(limit * localShare)));
  }

  async #takeMore(context: TenantContext, tokens: number): Promise<MinuteTake | undefined> {
    assertCount("tokens", tokens);
    const added = await this.#windows.take(context, "tokens", tokens, context.policy.tokensPerMinute).catch(failClosed);
    return added.kind === "TAKEN" ? added : undefined;
  }

  #heldOf(tenantId: TenantId): { tokens: number } {
    const known = this.#reserved.get(tenantId);
    if (known !== undefined) return known;
    if (this.#reserved.size >= rememberedMax) for (const [tenant, { tokens }] of this.#reserved) if (tokens === 0) this.#reserved.delete(tenant);
    const held = { tokens: 0 };
    this.#reserved.set(tenantId, held);
    return held;
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
