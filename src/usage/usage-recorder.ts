/**
 * One ledger row a model call, priced when it ends. Before it comes the door of `metering/`; after
 * it the ledger of the control plane, which counts a row sent twice once.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { BulkheadError } from "../kernel/errors.js";
import type { RequestId } from "../kernel/ids.js";
import type { Telemetry } from "../kernel/telemetry.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import type { PriceKind, TenantLedger, UsageRow } from "../storage/control/usage-rows.js";
import type { Price, PriceBook, PricedUsage } from "./price-book.js";
import type { UserPseudonyms } from "./user-pseudonyms.js";

export interface RecordedCall {
  /** In place of the context's: for what is recorded from several places and must land once. */
  readonly requestId?: RequestId;
  readonly kind: PriceKind;
  readonly operation: string;
  readonly model: string;
  readonly path: string;
  readonly callNumber: number;
  readonly usage: PricedUsage;
  readonly outcome: UsageRow["outcome"];
}

/** In place of a name that cannot be had: the tenant was erased while its last call was on its way, or the vault does not answer. */
const namelessUser = "usr_unknown";

/** Pauses before the second and third try: long enough for an election's first moments, short enough for a request. */
const retryPausesMs = [50, 400] as const;

export class UsageRecorder {
  constructor(
    private readonly ledgerOf: (context: TenantContext) => TenantLedger,
    private readonly prices: PriceBook,
    private readonly pseudonyms: UserPseudonyms,
    private readonly telemetry: Telemetry,
  ) {}

  /** What the call costs. The ledger keeps this very number, so that what a caller was shown and what is billed agree. */
  price(call: RecordedCall, at: Date): Price {
    return this.prices.price(call.kind, call.model, call.usage, at);
  }

  /** The most that a call can cost, for what is held of a budget. In micro-dollars. */
  bound(kind: PriceKind, model: string, usage: Pick<PricedUsage, "promptTokens" | "completionTokens">, at: Date): number {
    return this.prices.bound(kind, model, usage, at);
  }

  /**
   * Resolves when the row is durable. Never rejects: the call has been made and its answer is owed.
   * A row that could not be written raises an alarm that carries it whole, so it can be replayed.
   */
  async record(context: TenantContext, call: RecordedCall, price: Price, at: Date): Promise<void> {
    this.#count(context, call, price);
    const ledger = this.ledgerOf(context);
    let row = rowOf(context, call, price, at, namelessUser);
    for (const pauseMs of [...retryPausesMs, undefined]) {
      try {
        row = rowOf(context, call, price, at, await this.#nameOf(context));
        await ledger.append(row);
        return;
      } catch (error) {
        if (pauseMs === undefined) this.telemetry.alarm("usage_ledger_write_failed", { tenantId: context.tenantId, row, error: String(error) });
        else await sleep(pauseMs);
      }
    }
  }

  #count({ tenantId, policy }: TenantContext, { kind, outcome, usage }: RecordedCall, { costMicroUsd }: Price): void {
    const who = { tenant: tenantId, tier: policy.tier };
    this.telemetry.count("tenant_model_calls_total", { ...who, kind, outcome });
    this.telemetry.count("tenant_tokens_total", who, usage.promptTokens + usage.completionTokens);
    this.telemetry.count("tenant_cost_micro_usd_total", who, costMicroUsd);
  }

  /** What an erased tenant has spent is kept as well, but without a user. */
  async #nameOf(context: TenantContext): Promise<string> {
    try {
      return await this.pseudonyms.inLedger(context);
    } catch (error) {
      if (error instanceof BulkheadError && error.code === "NOT_FOUND") return namelessUser;
      throw error;
    }
  }
}

function rowOf(context: TenantContext, call: RecordedCall, price: Price, at: Date, userPseudonym: string): Omit<UsageRow, "id"> {
  return {
    userPseudonym,
    requestId: call.requestId ?? context.requestId,
    path: call.path,
    callNumber: call.callNumber,
    kind: call.kind,
    operation: call.operation,
    model: call.model,
    promptTokens: call.usage.promptTokens,
    completionTokens: call.usage.completionTokens,
    // As it is priced: a part that a provider says is larger than its whole is the whole.
    cachedPromptTokens: Math.min(call.usage.cachedPromptTokens ?? 0, call.usage.promptTokens),
    reasoningTokens: Math.min(call.usage.reasoningTokens ?? 0, call.usage.completionTokens),
    ...price,
    outcome: call.outcome,
    at,
  };
}
