import type { Deadline } from "../kernel/deadline.js";
import { isRefusal, type Refusal } from "../kernel/refusal.js";
import type { Span, SpanAttributes, Tracing } from "../kernel/tracing.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import type { CallUsage, Door, MeteredCall, ReportUsage } from "./door.js";

/** The door with two spans a call: the wait until its turn, reservation included, and the call of the model. */
export class TracedDoor implements Door {
  readonly open: Door["open"];
  readonly extend: Door["extend"];

  constructor(private readonly inner: Door, private readonly tracing: Tracing) {
    this.open = inner.open.bind(inner);
    this.extend = inner.extend.bind(inner);
  }

  run<T>(context: TenantContext, deadline: Deadline, call: MeteredCall, work: (signal: AbortSignal, report: ReportUsage) => Promise<{ value: T; usage: CallUsage }>): Promise<T | Refusal> {
    return this.#waiting(context, call, (turn) =>
      this.inner.run(context, deadline, call, (signal, report) => {
        turn();
        return this.tracing.run(nameOf(call), attributesOf(context, call), () => work(signal, report));
      }),
    );
  }

  stream<T>(context: TenantContext, deadline: Deadline, call: MeteredCall, work: (signal: AbortSignal, report: ReportUsage) => AsyncIterable<T>): Promise<AsyncIterableIterator<T> | Refusal> {
    return this.#waiting(context, call, (turn) =>
      this.inner.stream(context, deadline, call, (signal, report) => {
        turn();
        const span = this.tracing.begin(nameOf(call), attributesOf(context, call));
        return this.#within(span, this.tracing.within(span, () => work(signal, report)));
      }),
    );
  }

  async #waiting<T>(context: TenantContext, call: MeteredCall, enter: (turn: () => void) => Promise<T>): Promise<T> {
    const span = this.tracing.begin("queue.wait", attributesOf(context, call));
    let isOver = false;
    const end = (): void => {
      if (!isOver) span.end();
      isOver = true;
    };
    try {
      const entered = await enter(end);
      if (isRefusal(entered)) span.fail(entered.code);
      return entered;
    } finally {
      end();
    }
  }

  /** A generator runs wherever its reader is: each step is taken under the span, so that the request it sends carries it. */
  async *#within<T>(span: Span, source: AsyncIterable<T>): AsyncGenerator<T> {
    const steps = source[Symbol.asyncIterator]();
    let isOver = false;
    try {
      for (;;) {
        const step = await this.tracing.within(span, () => steps.next());
        isOver = step.done === true;
        if (step.done === true) return;
        yield step.value;
      }
    } catch (error) {
      isOver = true;
      span.fail(codeOf(error));
      throw error;
    } finally {
      span.end();
      if (!isOver) await steps.return?.();
    }
  }
}

function codeOf(error: unknown): string {
  return typeof error === "object" && error !== null && "code" in error ? String(error.code) : "INTERNAL";
}

function nameOf({ kind }: MeteredCall): string {
  return kind === "COMPLETION" ? "model.completion" : "model.embedding";
}

function attributesOf({ tenantId, policy }: TenantContext, { kind, model }: MeteredCall): SpanAttributes {
  return { "bulkhead.tenant.id": tenantId, "bulkhead.tenant.tier": policy.tier, "gen_ai.operation.name": kind === "COMPLETION" ? "chat" : "embeddings", "gen_ai.request.model": model };
}
