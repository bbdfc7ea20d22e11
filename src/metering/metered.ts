import type { Deadline } from "../kernel/deadline.js";
import { isRefusal, type Refusal } from "../kernel/refusal.js";
import type { Telemetry } from "../kernel/telemetry.js";
import type { Budgets } from "../quotas/budgets.js";
import type { Quotas } from "../quotas/quotas.js";
import { untimed, type RequestTimings } from "../insights/timed-request.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import { isProbeTenant } from "../tenancy/probe-tenant.js";
import type { UsageRecorder } from "../usage/usage-recorder.js";
import { CallReservation } from "./call-reservation.js";
import type { BoundedCall, CallUsage, Door, MeteredCall, ReportUsage } from "./door.js";
import { Envelope } from "./envelope.js";
import { MeteredStream } from "./metered-stream.js";
import { MeteredVisit, type CallSource } from "./metered-visit.js";
import type { Turn } from "./fair-queue.js";
import type { TurnQueues } from "./turn-queues.js";
import { untilAborted } from "./until-aborted.js";

export class MeteredDoor implements Door {
  constructor(
    private readonly quotas: Quotas,
    private readonly budgets: Budgets,
    private readonly queues: TurnQueues,
    private readonly recorder: UsageRecorder,
    private readonly telemetry: Telemetry,
    private readonly timings: RequestTimings = untimed,
  ) {}

  async open(context: TenantContext, deadline: Deadline, tokens: number, calls: readonly BoundedCall[]): Promise<Envelope | Refusal> {
    // A line that is full, or too slow for the deadline, would refuse the completion after its embedding was paid for.
    const completion = calls.find(({ kind }) => kind === "COMPLETION");
    const place = completion === undefined ? undefined : this.queues.of("COMPLETION", completion.model).hold(context.tenantId, context.policy.weight, deadline.remainingMs());
    if (place !== undefined && isRefusal(place)) return this.#refused(context, place);
    try {
      const reserved = await this.#take(context, tokens, calls);
      if (!isRefusal(reserved)) return new Envelope(reserved, place);
      place?.leave();
      return this.#refused(context, reserved);
    } catch (error) {
      place?.leave();
      throw error;
    }
  }

  async extend(envelope: Envelope, more: BoundedCall): Promise<boolean> {
    const given = await envelope.extend(more.promptTokens + more.completionTokens, this.#priceOf([more]));
    this.telemetry.count("reservations_extended_total", { given: String(given) });
    return given;
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
      if (isWatching(call)) this.timings.heldUp(context.tenantId, "embed", visit.heldBeside());
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
    const place = call.kind === "COMPLETION" ? call.envelope?.place : undefined;
    try {
      const acquire = (): Promise<Turn | Refusal> => this.queues.of(call.kind, call.model).acquire(
        { tenantId: context.tenantId, weight: context.policy.weight, tokens: call.reserveTokens, workClass: isProbeTenant(context.tenantId) ? "AUDIT" : call.workClass, leftMs: deadline.remainingMs(), watchesOthers: isWatching(call), ...(place === undefined ? {} : { place }) },
        deadline.signal,
      );
      const turn = await (call.clock === undefined ? acquire() : call.clock.time("queue_wait", acquire));
      if (isRefusal(turn)) {
        await source.settle([]);
        return this.#refused(context, turn);
      }
      this.telemetry.observe("model_queue_wait_ms", turn.waitedMs, { kind: call.kind });
      if (turn.waitedMs > 0 && call.workClass === "INTERACTIVE") this.timings.heldUp(context.tenantId, "queue_wait", turn.heldBy);
      call.onTurn?.();
      return new MeteredVisit(context, call, source, turn, this.recorder);
    } catch (error) {
      await source.settle([]);
      throw error;
    }
  }

  async #reserve(context: TenantContext, call: MeteredCall): Promise<CallSource | Refusal> {
    const { envelope, kind, model, reserveTokens } = call;
    if (envelope === undefined) return this.#take(context, reserveTokens, dearestOf(kind, model, reserveTokens));
    // The envelope's owner settles it with the stores once all its calls have ended.
    return { settle: async (used) => used.forEach((one) => envelope.add(one)) };
  }

  /** Tokens and money, both or none. */
  async #take(context: TenantContext, tokens: number, calls: readonly BoundedCall[]): Promise<CallReservation | Refusal> {
    const window = await this.quotas.reserveTokens(context, tokens);
    if (isRefusal(window)) return window;
    try {
      const budget = await this.budgets.reserve(context, this.#priceOf(calls));
      if (!isRefusal(budget)) return new CallReservation(window, budget);
      await window.settle(0);
      return budget;
    } catch (error) {
      await window.settle(0);
      throw error;
    }
  }

  #priceOf(calls: readonly BoundedCall[]): number {
    const now = new Date();
    return calls.reduce((sum, call) => sum + this.recorder.bound(call.kind, call.model, call, now), 0);
  }

  #refused(context: TenantContext, refused: Refusal): Refusal {
    const { tenantId, policy } = context;
    this.timings.refused(tenantId);
    this.telemetry.count("refusals_total", { code: refused.code, tier: policy.tier, limit: refused.limit ?? "" });
    this.telemetry.count("tenant_refusals_total", { code: refused.code, tier: policy.tier, tenant: tenantId });
    return refused;
  }
}

/** A question's embedding runs beside others' documents on the same machine, or at the same provider. */
function isWatching({ kind, workClass }: MeteredCall): boolean {
  return kind === "EMBEDDING" && workClass === "INTERACTIVE";
}

/** A call that only tells how many tokens it uses may read them all or write them all, whichever is dearer. */
function dearestOf(kind: MeteredCall["kind"], model: string, tokens: number): readonly BoundedCall[] {
  return [{ kind, model, promptTokens: tokens, completionTokens: kind === "COMPLETION" ? tokens : 0 }];
}
