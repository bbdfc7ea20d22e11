/**
 * The money of trainings. A training is no call of the door: it runs for hours at the provider, beyond
 * any turn or deadline. What it may cost at most is held of the tenant's budget before its job is
 * created; what the provider bills stands on the ledger once, however often its end is seen.
 */
import { BulkheadError } from "../../kernel/errors.js";
import type { AdapterId, RequestId } from "../../kernel/ids.js";
import { isRefusal } from "../../kernel/refusal.js";
import type { TrainingState } from "../../inference/fine-tuning-client.js";
import type { BudgetReservation, Budgets } from "../../quotas/budgets.js";
import type { AdapterWork } from "../../storage/adapter-rows.js";
import type { TenantContext } from "../../tenancy/tenant-context.js";
import type { RecordedCall, UsageRecorder } from "../../usage/usage-recorder.js";

export type EndedTraining = Exclude<TrainingState, { readonly kind: "RUNNING" }>;

export class TrainingBills {
  /** A hold is this server's, and leased: the next that follows the training makes its own. */
  readonly #held = new Map<AdapterId, BudgetReservation>();

  constructor(
    private readonly budgets: Pick<Budgets, "reserve" | "recount">,
    private readonly recorder: Pick<UsageRecorder, "bound" | "price" | "record">,
  ) {}

  /** Throws `BUDGET_EXCEEDED`, or `RATE_LIMITED` where the tenant's calls at one time are all taken. */
  async hold(context: TenantContext, work: AdapterWork): Promise<void> {
    const refused = await this.#tryHold(context, work);
    if (refused !== undefined) throw refused;
  }

  /** For a training that runs already: it costs what it costs, whatever is left of the budget. */
  async keepHold(context: TenantContext, work: AdapterWork): Promise<void> {
    await this.#tryHold(context, work);
  }

  /** As `settle`. A provider that names no tokens for a model it made is owed what was held; for one it did not make, nothing. */
  async settleEnded(context: TenantContext, work: AdapterWork, ended: EndedTraining): Promise<void> {
    const isMade = ended.kind === "SUCCEEDED";
    await this.settle(context, work, ended.trainedTokens ?? (isMade ? (work.tokensMax ?? 0) : 0), isMade ? "OK" : "FAILED");
  }

  /** Tokens as the provider billed them. Again for the same adapter, on any server, changes nothing. */
  async settle(context: TenantContext, work: AdapterWork, tokens: number, outcome: RecordedCall["outcome"]): Promise<void> {
    if (tokens <= 0) return this.release(work.id);
    const at = new Date();
    const call: RecordedCall = { requestId: trainingRequestId(work.id), kind: "TRAINING", operation: "trainAdapter", model: work.baseModel, path: "trainAdapter", callNumber: 0, usage: { promptTokens: tokens, completionTokens: 0 }, outcome };
    const price = this.recorder.price(call, at);
    await this.recorder.record(context, call, price, at);
    const held = this.#held.get(work.id);
    this.#held.delete(work.id);
    if (held !== undefined) return held.settle([{ microUsd: price.costMicroUsd, at }]);
    // The row may be an earlier process's: figures made anew from the ledger count it once, a settlement might be the second.
    await this.budgets.recount(context.tenantId);
  }

  /** Nothing is owed, or another server follows the training. */
  release(id: AdapterId): void {
    this.#held.get(id)?.settle([]);
    this.#held.delete(id);
  }

  async #tryHold(context: TenantContext, { id, baseModel, tokensMax = 0 }: AdapterWork): Promise<BulkheadError | undefined> {
    if (this.#held.has(id)) return undefined;
    const microUsd = this.recorder.bound("TRAINING", baseModel, { promptTokens: tokensMax, completionTokens: 0 }, new Date());
    const reserved = await this.budgets.reserve(context, microUsd);
    if (isRefusal(reserved)) return new BulkheadError(reserved.code, reserved.message, { ...(reserved.limit === undefined ? {} : { limit: reserved.limit }), ...(reserved.retryAfterMs === undefined ? {} : { retryAfterMs: reserved.retryAfterMs }) });
    this.#held.set(id, reserved);
    return undefined;
  }
}

/** Names a training's row of the ledger: the same on every server and after every start, so that the row lands once. */
export function trainingRequestId(id: AdapterId): RequestId {
  return `req_${id.slice(id.indexOf("_") + 1)}` as RequestId;
}
