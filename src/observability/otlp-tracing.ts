/**
 * Spans over OTLP/HTTP. The only place that knows OpenTelemetry, and the only one with an
 * `AsyncLocalStorage`: everything else is handed what it needs. Nothing is registered globally, so a
 * library in the process that looks for a tracer finds none, and tests do not meet each other.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { isSpanContextValid, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, TraceFlags, type Context, type Span as OtelSpan, type Tracer } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { BasicTracerProvider, BatchSpanProcessor, type ReadableSpan, type SpanExporter } from "@opentelemetry/sdk-trace-node";
import { BulkheadError } from "../kernel/errors.js";
import type { Telemetry } from "../kernel/telemetry.js";
import type { Span, SpanAttributes, Tracing } from "../kernel/tracing.js";
import { BoundedSampler } from "./bounded-sampler.js";

export interface OtlpOptions {
  /** Of the collector, without `/v1/traces`. */
  readonly endpoint: string;
  /** The part of requests that are traced, 0 to 1. */
  readonly ratio: number;
}

/** About 2 MB of spans: what a collector that is away for a while costs at most; later spans are dropped. */
const queuedSpansMax = 2_048;
const exportMsMax = 5_000;

/** W3C Trace Context, level 1: version, trace, parent, flags. Later versions may carry more behind it. */
const traceparentPattern = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/u;

export class OtlpTracing implements Tracing {
  readonly isOn = true;
  readonly #present = new AsyncLocalStorage<OtelSpan>();
  readonly #provider: BasicTracerProvider;
  readonly #tracer: Tracer;

  constructor({ endpoint, ratio }: OtlpOptions, telemetry: Telemetry) {
    const exporter = new CountedExporter(new OTLPTraceExporter({ url: `${endpoint.replace(/\/+$/u, "")}/v1/traces`, timeoutMillis: exportMsMax }), telemetry);
    const processor = new BatchSpanProcessor(exporter, { maxQueueSize: queuedSpansMax, scheduledDelayMillis: 1_000, exportTimeoutMillis: exportMsMax });
    this.#provider = new BasicTracerProvider({ resource: bulkhead, sampler: new BoundedSampler(ratio), spanProcessors: [processor] });
    this.#tracer = this.#provider.getTracer("bulkhead");
  }

  serve<T>(name: string, attributes: SpanAttributes, traceparent: string | undefined, work: () => Promise<T>): Promise<T> {
    const span = this.#tracer.startSpan(name, { kind: SpanKind.SERVER, attributes }, callerOf(traceparent));
    return this.#finish(span, () => work());
  }

  run<T>(name: string, attributes: SpanAttributes, work: (span: Span) => Promise<T>): Promise<T> {
    const span = this.#start(name, attributes);
    return this.#finish(span, () => work(new OwnSpan(span)));
  }

  begin(name: string, attributes: SpanAttributes): Span {
    return new OwnSpan(this.#start(name, attributes));
  }

  within<T>(span: Span, work: () => T): T {
    return span instanceof OwnSpan ? this.#present.run(span.inner, work) : work();
  }

  detached<T>(work: () => T): T {
    return this.#present.exit(work);
  }

  annotate(attributes: SpanAttributes): void {
    this.#present.getStore()?.setAttributes(attributes);
  }

  headers(): Readonly<Record<string, string>> {
    const span = this.#present.getStore()?.spanContext();
    if (span === undefined || !isSpanContextValid(span)) return {};
    return { traceparent: `00-${span.traceId}-${span.spanId}-${span.traceFlags.toString(16).padStart(2, "0")}` };
  }

  /** Sends what has ended, as far as the collector takes it within its time. Never rejects. */
  async close(): Promise<void> {
    await this.#provider.shutdown().catch(() => undefined);
  }

  #start(name: string, attributes: SpanAttributes): OtelSpan {
    const above = this.#present.getStore();
    return this.#tracer.startSpan(name, { attributes }, above === undefined ? ROOT_CONTEXT : trace.setSpan(ROOT_CONTEXT, above));
  }

  async #finish<T>(span: OtelSpan, work: () => Promise<T>): Promise<T> {
    try {
      return await this.#present.run(span, work);
    } catch (error) {
      markFailed(span, error instanceof BulkheadError ? error.code : "INTERNAL");
      throw error;
    } finally {
      span.end();
    }
  }
}

class OwnSpan implements Span {
  constructor(readonly inner: OtelSpan) {}

  set(attributes: SpanAttributes): void {
    this.inner.setAttributes(attributes);
  }

  fail(code: string): void {
    markFailed(this.inner, code);
  }

  end(): void {
    this.inner.end();
  }
}

/** The code alone: a message may quote what the caller sent. */
function markFailed(span: OtelSpan, code: string): void {
  span.setAttribute("error.type", code);
  span.setStatus({ code: SpanStatusCode.ERROR });
}

/** Anything that is no valid traceparent counts as none, as the recommendation demands. */
function callerOf(traceparent: string | undefined): Context {
  const [, traceId = "", spanId = "", flags = "00"] = traceparentPattern.exec(traceparent ?? "") ?? [];
  const caller = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & TraceFlags.SAMPLED, isRemote: true };
  return isSpanContextValid(caller) ? trace.setSpanContext(ROOT_CONTEXT, caller) : ROOT_CONTEXT;
}

/** A collector that is down costs its spans and nothing else; that they are lost is counted. */
class CountedExporter implements SpanExporter {
  constructor(private readonly inner: SpanExporter, private readonly telemetry: Telemetry) {}

  export(spans: ReadableSpan[], done: Parameters<SpanExporter["export"]>[1]): void {
    this.inner.export(spans, (result) => {
      this.telemetry.count("spans_exported_total", { outcome: result.error === undefined ? "OK" : "FAILED" }, spans.length);
      done(result);
    });
  }

  shutdown(): Promise<void> {
    return this.inner.shutdown();
  }

  async forceFlush(): Promise<void> {
    await this.inner.forceFlush?.();
  }
}

type Resource = NonNullable<NonNullable<ConstructorParameters<typeof BasicTracerProvider>[0]>["resource"]>;

const bulkhead: Resource = {
  attributes: { "service.name": "bulkhead" },
  merge: () => bulkhead,
  getRawAttributes: () => [["service.name", "bulkhead"]],
};
