import type { Holder } from "../insights/timed-request.js";
import type { UsageRow } from "../storage/control/control-plane.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import type { UsageRecorder } from "../usage/usage-recorder.js";
import type { CallUsage, MeteredCall } from "./door.js";
import type { UsedByCall } from "./envelope.js";
import type { Turn } from "./fair-queue.js";

/** What the call's tokens and money are taken from: its own reservation, or an envelope shared with other calls. */
export interface CallSource {
  settle(used: readonly UsedByCall[]): Promise<void>;
}

/** One call inside the door: it holds tokens and a turn, and gives both back exactly once. */
export class MeteredVisit {
  #usage: CallUsage = { promptTokens: 0, completionTokens: 0 };
  #finished: Promise<void> | undefined;

  constructor(
    private readonly context: TenantContext,
    private readonly call: MeteredCall,
    private readonly source: CallSource,
    private readonly turn: Turn,
    private readonly recorder: UsageRecorder,
  ) {}

  readonly report = (usage: CallUsage): void => {
    // After the end the row is on its way with another number; the ledger and the quota must agree.
    if (this.#finished === undefined) this.#usage = usage;
  };

  /** Who has held slots beside it so far. */
  heldBeside(): readonly Holder[] {
    return this.turn.heldBeside();
  }

  /** Success, failure and abort may race to this; the first decides and the others wait for it. Never rejects. */
  finish(outcome: UsageRow["outcome"]): Promise<void> {
    this.#finished ??= this.#finish(outcome);
    return this.#finished;
  }

  async #finish(outcome: UsageRow["outcome"]): Promise<void> {
    const used = this.#usage.promptTokens + this.#usage.completionTokens;
    // The turn first: who waits for it must not wait for our bookkeeping.
    this.turn.release(used);
    const { kind, operation, model, path, callNumber } = this.call;
    const recorded = { kind, operation, model, path, callNumber, usage: this.#usage, outcome };
    const at = new Date();
    const price = this.recorder.price(recorded, at);
    this.call.onSettled?.({ ...this.#usage, costMicroUsd: price.costMicroUsd });
    const row = this.recorder.record(this.context, recorded, price, at);
    this.call.rows?.add(row);
    await Promise.all([this.source.settle([{ tokens: used, charge: { microUsd: price.costMicroUsd, at }, row }]), this.call.rows === undefined ? row : undefined]);
  }
}
