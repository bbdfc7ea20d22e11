/** The rows of the usage ledger, and what is asked of them. */
import type { RequestId, TenantId } from "../../kernel/ids.js";

/** What a row is priced as. */
export type PriceKind = "COMPLETION" | "EMBEDDING" | "GUARDRAIL" | "CACHE_HIT" | "TRAINING";
/** The kinds that go through the door of `metering/`: calls of models, and answers given from the cache in place of one. */
export type UsageKind = Extract<PriceKind, "COMPLETION" | "EMBEDDING" | "CACHE_HIT">;

/** One row a model call, append-only. Money in integer micro-dollars. */
export interface UsageRow {
  readonly id: string;
  /** Keyed hash of the user: erasing the tenant's key makes it nobody's. */
  readonly userPseudonym: string;
  readonly requestId: RequestId;
  /** The GraphQL response path of the field that spent, such as `ask` or `first.ask`. */
  readonly path: string;
  /** Distinguishes several calls of one field, from 0. */
  readonly callNumber: number;
  readonly kind: PriceKind;
  readonly operation: string;
  readonly model: string;
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** The part of `promptTokens` that the provider had cached. */
  readonly cachedPromptTokens?: number;
  /** The part of `completionTokens` that the model thought and did not say. */
  readonly reasoningTokens?: number;
  readonly priceVersion: string;
  readonly costMicroUsd: number;
  readonly outcome: "OK" | "FAILED" | "ABORTED";
  readonly at: Date;
  /** The row whose price this one corrects: it has no tokens, and its cost is a difference, which may be below zero. */
  readonly corrects?: string;
}

export type UsageGrouping = "MODEL" | "USER" | "OPERATION" | "DAY";
/** `cachedPromptTokens` are a part of `promptTokens`, `reasoningTokens` of `completionTokens`. */
export interface UsageTotals {
  readonly calls: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cachedPromptTokens: number;
  readonly reasoningTokens: number;
  readonly costMicroUsd: number;
}
export interface UsageGroup extends UsageTotals {
  readonly key: string;
}
export const noUsage: UsageTotals = Object.freeze({ calls: 0, promptTokens: 0, completionTokens: 0, cachedPromptTokens: 0, reasoningTokens: 0, costMicroUsd: 0 });

export function addUsage(one: UsageTotals, other: UsageTotals): UsageTotals {
  return {
    calls: one.calls + other.calls,
    promptTokens: one.promptTokens + other.promptTokens,
    completionTokens: one.completionTokens + other.completionTokens,
    cachedPromptTokens: one.cachedPromptTokens + other.cachedPromptTokens,
    reasoningTokens: one.reasoningTokens + other.reasoningTokens,
    costMicroUsd: one.costMicroUsd + other.costMicroUsd,
  };
}

/** A tenant's own rows of the ledger. Made by `ControlPlane.ledgerOf` from a context, so it cannot name another tenant. */
export interface TenantLedger {
  /** Durable when resolved. A row with the same request, path and call number is counted once. */
  append(row: Omit<UsageRow, "id">): Promise<void>;
  /** Sums over `from <= at < to`, of one user where a pseudonym is given. */
  report(from: Date, to: Date, groupBy: UsageGrouping, userPseudonym?: string): Promise<readonly UsageGroup[]>;
}

/** A tenant's own rows, corrections among them. Made from a context, as `TenantLedger`. */
export interface UsageListing {
  /** The first `rowsMax` rows of `from <= at < to`, oldest first; of one user where a pseudonym is given. */
  list(from: Date, to: Date, rowsMax: number, userPseudonym?: string): Promise<readonly UsageRow[]>;
}

/** A call and what corrections have made of it so far. */
export interface CorrectedCall {
  readonly row: UsageRow & { readonly tenantId: TenantId };
  readonly costMicroUsd: number;
  readonly priceVersion: string;
  readonly corrections: number;
}

export interface Correction {
  readonly call: CorrectedCall;
  readonly priceVersion: string;
  readonly differenceMicroUsd: number;
}

/** Where a page of calls ended. */
export interface UsagePlace { readonly at: Date; readonly id: string }

/** For pricing calls anew, of every tenant: an operator's work. */
export interface UsageCorrections {
  /** Tenants that have rows, in order. */
  tenants(): Promise<readonly TenantId[]>;
  /** Calls of `from <= at < to`, oldest first, without the corrections as rows of their own. */
  page(tenantId: TenantId, span: { readonly from: Date; readonly to: Date }, after: UsagePlace | undefined, callsMax: number): Promise<readonly CorrectedCall[]>;
  /** Writes corrections, each the next of its call. Gives those written: another run was first for the rest. */
  correct(corrections: readonly Correction[]): Promise<readonly Correction[]>;
}

/** What one tenant spent in an hour. */
export interface HourOfUsage {
  readonly tenant: string;
  readonly hour: Date;
  readonly tokens: number;
  readonly costMicroUsd: number;
}

/** Of every tenant, for operators. */
export interface UsageByHour {
  /** Hours that begin in `from <= at < to`, the one of `from` whole. */
  read(from: Date, to: Date): Promise<readonly HourOfUsage[]>;
}

/** Sums by hour, user, model and operation, as a projection of the rows. Its work is shared between servers by a lease. */
export interface UsageRollups {
  /** Gives up what this server holds of hours it has written no row of for `idleMs`, so that they can be projected. */
  releaseHours(idleMs: number): Promise<void>;
  /** Takes or keeps the right to project. False while another server has it. */
  lease(owner: string, forMs: number): Promise<boolean>;
  /** Sums up to `hoursMax` hours anew that have had rows since and that nobody writes to. Gives their number. */
  project(hoursMax: number): Promise<number>;
  /** Compares the number of rows of every hour since with its rollups', and has those projected that differ without being known to. Gives their number. */
  markStale(since?: Date): Promise<number>;
  /** Whether every hour has been projected once; until then reports read rows alone. */
  isReady(): Promise<boolean>;
  setReady(): Promise<void>;
}
