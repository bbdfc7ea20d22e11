import { isValidTraceId, TraceFlags, trace, type Context } from "@opentelemetry/api";
import { SamplingDecision, TraceIdRatioBasedSampler, type Sampler, type SamplingResult } from "@opentelemetry/sdk-trace-node";

/** Traces a second that callers may have by asking for them. A debugging session needs a few; a flood of flags must not fill the collector. */
const askedPerSecondMax = 10;

const yes: SamplingResult = { decision: SamplingDecision.RECORD_AND_SAMPLED };
const no: SamplingResult = { decision: SamplingDecision.NOT_RECORD };

/**
 * Which requests are traced. A span of ours follows the one above it. A caller's flag to trace is
 * heeded up to a bound a second and past it weighs nothing; its flag not to trace is always heeded.
 */
export class BoundedSampler implements Sampler {
  readonly #byRatio: TraceIdRatioBasedSampler;
  #second = 0;
  #asked = 0;

  constructor(ratio: number, private readonly now: () => number = Date.now) {
    this.#byRatio = new TraceIdRatioBasedSampler(ratio);
  }

  shouldSample(context: Context, traceId: string): SamplingResult {
    const above = trace.getSpanContext(context);
    if (above === undefined || !isValidTraceId(above.traceId)) return this.#byRatio.shouldSample(context, traceId);
    const isSampled = (above.traceFlags & TraceFlags.SAMPLED) !== 0;
    if (!isSampled) return no;
    return above.isRemote !== true || this.#mayAsk() ? yes : this.#byRatio.shouldSample(context, traceId);
  }

  toString(): string {
    return "BoundedSampler";
  }

  #mayAsk(): boolean {
    const second = Math.floor(this.now() / 1_000);
    if (second !== this.#second) [this.#second, this.#asked] = [second, 0];
    this.#asked += 1;
    return this.#asked <= askedPerSecondMax;
  }
}
