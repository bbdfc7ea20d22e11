/**
 * Spans of a request, for whoever watches it from outside. The port lies here because every folder
 * begins some; `observability/` sends them on. Names and attributes never carry a text of a user.
 */
export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

export interface Span {
  set(attributes: SpanAttributes): void;
  /** Marks it as failed: a code of the catalogue, never a message. */
  fail(code: string): void;
  /** Once. */
  end(): void;
}

export interface Tracing {
  /** False: nothing is traced, and whoever would wrap something for it leaves it as it is. */
  readonly isOn: boolean;
  /** Begins under `traceparent` of the caller (W3C Trace Context) and runs `work` in it; ends with it. */
  serve<T>(name: string, attributes: SpanAttributes, traceparent: string | undefined, work: () => Promise<T>): Promise<T>;
  /** Runs `work` in a span of its own under the present one; ends with it. */
  run<T>(name: string, attributes: SpanAttributes, work: (span: Span) => Promise<T>): Promise<T>;
  /** A span under the present one that the caller ends. */
  begin(name: string, attributes: SpanAttributes): Span;
  /** Runs `work` with the span as the present one. */
  within<T>(span: Span, work: () => T): T;
  /** Runs `work` under no span: it belongs to another request, and perhaps to another tenant, than the one that happens to start it. */
  detached<T>(work: () => T): T;
  /** Sets attributes of the present span. */
  annotate(attributes: SpanAttributes): void;
  /** What a call to another server carries, so that its spans come under the present one. */
  headers(): Readonly<Record<string, string>>;
}

const noSpan: Span = Object.freeze({ set() {}, fail() {}, end() {} });
const noHeaders: Readonly<Record<string, string>> = Object.freeze({});

export const noTracing: Tracing = Object.freeze({
  isOn: false,
  serve: <T>(_name: string, _attributes: SpanAttributes, _traceparent: string | undefined, work: () => Promise<T>) => work(),
  run: <T>(_name: string, _attributes: SpanAttributes, work: (span: Span) => Promise<T>) => work(noSpan),
  begin: () => noSpan,
  within: <T>(_span: Span, work: () => T) => work(),
  detached: <T>(work: () => T) => work(),
  annotate() {},
  headers: () => noHeaders,
});
