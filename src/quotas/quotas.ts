/**
 * May this be spent: requests and tokens a minute, of the tenant and, where its tier gives users a
 * share, of the user inside it. Before it comes the gateway
 * (requests of a whole HTTP document) and the door of `metering/` (tokens of a model call); after it
 * the counters. Limits come with the context, so a change of tier holds from the next request.
 */
import type { Refusal } from "../kernel/refusal.js";
import type { TenantContext } from "../tenancy/tenant-context.js";

export interface Quotas {
  /**
   * Admits the priced requests of one HTTP document: all of them or none. `price` is a positive
   * integer. When the shared store fails, admission goes on by a local share of the limit.
   */
  admitRequests(context: TenantContext, price: number): Promise<RequestAdmission | Refusal>;
  /**
   * Reserves an upper bound of tokens. A bound above the whole limit is taken as the limit, so that
   * a call which reserves generously waits for a free minute instead of being refused for ever.
   * Throws `SERVICE_UNAVAILABLE` when the store fails: what cannot be counted is not spent.
   */
  reserveTokens(context: TenantContext, tokens: number): Promise<TokenReservation | Refusal>;
  /** Throws `SERVICE_UNAVAILABLE` when the store fails. */
  view(context: TenantContext): Promise<QuotaView>;
}

/** Of the tenant's window and the user's, the figures of the one that has less left. */
export interface RequestAdmission {
  readonly kind: "ADMITTED";
  readonly limit: number;
  readonly remaining: number;
  readonly resetsAt: Date;
}

export interface TokenReservation {
  readonly kind: "RESERVATION";
  readonly tokens: number;
  /** Holds more for a call that goes on; false when the limit does not allow it, or when it was settled. Throws `SERVICE_UNAVAILABLE`. */
  extend(tokens: number): Promise<boolean>;
  /**
   * Turns the reservation into what was really used: less is given back, more is charged. The first
   * call counts, later ones wait for it. Never rejects: it runs where an answer is ready already.
   */
  settle(usedTokens: number): Promise<void>;
}

export interface QuotaView {
  readonly requests: WindowView;
  /** `reserved` is the part of the used tokens that calls of this server hold and may give back. */
  readonly tokens: WindowView & { readonly reserved: number };
}

export interface WindowView {
  readonly limit: number;
  readonly remaining: number;
  readonly resetsAt: Date;
}
