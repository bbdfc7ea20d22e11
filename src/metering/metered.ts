import type { Deadline } from "../kernel/deadline.js";
import { isRefusal, type Refusal } from "../kernel/refusal.js";
import type { Telemetry } from "../kernel/telemetry.js";
import type { Quotas } from "../quotas/quotas.js";
import type { UsageKind } from "../storage/control/control-plane.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import type { UsageRecorder } from "../usage/usage-recorder.js";
import type { CallUsage, Door, MeteredCall, ReportUsage } from "./door.js";
import { Envelope } from "./envelope.js";
import type { FairQueue } from "./fair-queue.js";
import { MeteredStream } from "./metered-stream.js";
import { MeteredVisit, type TokenSource } from "./metered-visit.js";
import { untilAborted } from "./until-aborted.js";

export class MeteredDoor implements Door {
  /** A queue a kind: an embedding of milliseconds must not wait for a completion of seconds. */
  constructor(
    private readonly quotas: Quotas,
    private readonly queues: Readonly<Record<UsageKind, FairQueue>>,
    private readonly recorder: UsageRecorder,
    private readonly telemetry: Telemetry,
  ) {}

  async open(context: TenantContext, tokens: number): Promise<Envelope | Refusal> {
    // A line that is full now would refuse the completion after its embedding was paid for.
    const full = this.queues.COMPLETION.refusalNow(context.tenantId);
    if (full !== undefined) return this.#refused(context, full);
    const reserved = await this.quotas.reserveTokens(context, tokens);
    return isRefusal(reserved) ? this.#refused(context, reserved) : new Envelope(reserved);
  }

  async run<T>(
    context: TenantContext,
    deadline: Deadline,
    call: MeteredCall,
    work: (signal: AbortSignal, report: ReportUsage) => Promise<{ value: T; usage: CallUsage }>,
  ): Promise<T | Refusal> {
    const visit = await this.#enter(context, deadline, call);
    if (isRefusal(visit)) return visit;
    try {
      const { value, usage } = await untilAborted(work(deadline.signal, visit.report), deadline.signal);
      visit.report(usage);
      await visit.finish("OK");
      return value;
    } catch (error) {
      await visit.finish(deadline.signal.aborted ? "ABORTED" : "FAILED");
      throw error;
    }
  }

  async stream<T>(
    context: TenantContext,
    deadline: Deadline,
    call: MeteredCall,
    work: (signal: AbortSignal, report: ReportUsage) => AsyncIterable<T>,
  ): Promise<AsyncIterableIterator<T> | Refusal> {
    const visit = await this.#enter(context, deadline, call);
    if (isRefusal(visit)) return visit;
    try {
      return new MeteredStream(work(deadline.signal, visit.report), visit, deadline.signal);
    } catch (error) {
      await visit.finish("FAILED");
      throw error;
    }
  }

  async #enter(context: TenantContext, deadline: Deadline, call: MeteredCall): Promise<MeteredVisit | Refusal> {
    deadline.throwIfOver();
    const source = await this.#reserve(context, call);
    if (isRefusal(source)) return this.#refused(context, source);
    try {
      const turn = await this.queues[call.kind].acquire(
        { tenantId: context.tenantId, weight: context.policy.weight, tokens: call.reserveTokens, workClass: call.workClass },
        deadline.signal,
      );
      if (isRefusal(turn)) {
        await source.settle(0);
        return this.#refused(context, turn);
      }
      this.telemetry.observe("model_queue_wait_ms", turn.waitedMs, { kind: call.kind });
      call.onTurn?.(turn.waitedMs);
      return new MeteredVisit(context, call, source, turn, this.recorder);
    } catch (error) {
      await source.settle(0);
      throw error;
    }
  }

  async #reserve(context: TenantContext, call: MeteredCall): Promise<TokenSource | Refusal> {
    const { envelope } = call;
    if (envelope === undefined) return this.quotas.reserveTokens(context, call.reserveTokens);
    // The envelope's owner settles it with the reservation store once all its calls have ended.
    return { settle: async (used) => envelope.add(used) };
  }

  #refused(context: TenantContext, refused: Refusal): Refusal {
    this.telemetry.count("refusals_total", { code: refused.code, tier: context.policy.tier });
    return refused;
  }
}
