import type { Telemetry } from "../kernel/telemetry.js";
import { CircuitBreaker } from "./circuit-breaker.js";
import type { StreamTimeouts } from "./frame-stream.js";
import type { CompletionEvent, CompletionRequest } from "./inference-backend.js";
import type { ModelFailure } from "./model-failure.js";

/** One server that speaks `/chat/completions`, as configured. */
export interface EndpointConfig {
  readonly name: string;
  readonly baseUrl: string;
  readonly apiKey?: string;
  /** `name` as callers use it, `upstreamName` as the server knows it. */
  readonly models: readonly { readonly name: string; readonly upstreamName: string }[];
  /** Lower is asked first. */
  readonly priority: number;
  /** Share among endpoints of one priority. */
  readonly weight: number;
  /** Calls at one time. */
  readonly concurrency: number;
  readonly requestsPerMinute?: number;
  readonly tokensPerMinute?: number;
  readonly cacheSalt: boolean;
  /** Models are trained there, and what was trained is served there and nowhere else. */
  readonly trains?: boolean;
  readonly timeouts: Partial<StreamTimeouts>;
}

/** What asks the server. One attempt a call. */
export interface EndpointClient {
  readonly timeouts: Pick<StreamTimeouts, "firstByteMs">;
  complete(request: CompletionRequest, signal: AbortSignal): AsyncIterable<CompletionEvent>;
  close(): void;
}

/** A provider that asks to be left alone for a day is asked again after this. */
const restMsMax = 60_000;

/** An endpoint and how it does: places taken, circuit, and until when it asked to be left alone. */
export class PoolEndpoint {
  readonly breaker: CircuitBreaker;
  running = 0;
  #restsUntil = 0;

  constructor(
    readonly config: EndpointConfig,
    readonly client: EndpointClient,
    private readonly telemetry: Telemetry,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.breaker = new CircuitBreaker((state) => {
      telemetry.count("model_circuit_changes_total", { endpoint: config.name, state });
      if (state !== "HALF_OPEN") telemetry.log(state === "OPEN" ? "warn" : "info", "The circuit of a model endpoint changed", { endpoint: config.name, state });
    }, now);
  }

  get name(): string {
    return this.config.name;
  }

  get isFull(): boolean {
    return this.running >= this.config.concurrency;
  }

  get restsUntil(): number {
    return this.#restsUntil;
  }

  upstreamName(model: string): string | undefined {
    return this.config.models.find(({ name }) => name === model)?.upstreamName;
  }

  /** Leaves the endpoint alone for as long as it asks. */
  rest(ms: number): void {
    this.#restsUntil = Math.max(this.#restsUntil, this.now() + Math.min(ms, restMsMax));
  }

  /** An attempt takes a place; its owner ends it exactly once. */
  begin(onEnd: () => void): Attempt {
    this.running += 1;
    return new Attempt(this, this.breaker.begin(), this.telemetry, this.now, onEnd);
  }
}

/** One try of one call at one endpoint: holds its place, and tells the circuit and the metrics how it went. */
export class Attempt {
  readonly #startedAt: number;
  #hasEvent = false;
  #isTrial: boolean;
  #ended = false;

  constructor(
    readonly endpoint: PoolEndpoint,
    isTrial: boolean,
    private readonly telemetry: Telemetry,
    private readonly now: () => number,
    private readonly onEnd: () => void,
  ) {
    this.#isTrial = isTrial;
    this.#startedAt = now();
  }

  /** Something came. A trial is passed with it: the endpoint must not be shut out for as long as an answer takes. */
  heard(): void {
    if (this.#hasEvent) return;
    this.#hasEvent = true;
    this.telemetry.observe("model_first_event_ms", this.now() - this.#startedAt, { endpoint: this.endpoint.name });
    if (this.#isTrial) this.endpoint.breaker.succeed(true);
    this.#isTrial = false;
  }

  succeed(): void {
    this.#end("OK", () => this.endpoint.breaker.succeed(this.#isTrial));
  }

  /** `isFault`: whether it speaks against the endpoint, where that is not for the failure alone to say. `isShared` false: a model of one tenant failed. */
  fail(failure: ModelFailure, isFault = failure.isFault, isShared = true): void {
    const { retryAfterMs } = failure.details;
    // One tenant's model that is to be left alone is no reason to leave the others.
    if (retryAfterMs !== undefined && isShared) this.endpoint.rest(retryAfterMs);
    this.#end(failure.kind, () => (isFault ? this.endpoint.breaker.fail(this.#isTrial) : this.endpoint.breaker.drop(this.#isTrial)));
  }

  /**
   * The caller went away, or its deadline passed. That says nothing of the endpoint, unless it had been
   * silent for half the time in which it must answer: with deadlines that are shorter than its timeout
   * a dead endpoint would never be found. `countsSilence` false: the silence may be the model's own.
   */
  leave(countsSilence = true): void {
    const wasSilent = countsSilence && !this.#hasEvent && this.now() - this.#startedAt >= this.endpoint.client.timeouts.firstByteMs / 2;
    this.#end("ABORTED", () => (wasSilent ? this.endpoint.breaker.fail(this.#isTrial) : this.endpoint.breaker.drop(this.#isTrial)));
  }

  #end(outcome: string, tell: () => void): void {
    if (this.#ended) return;
    this.#ended = true;
    this.endpoint.running -= 1;
    tell();
    this.telemetry.count("model_attempts_total", { endpoint: this.endpoint.name, outcome });
    this.onEnd();
  }
}
