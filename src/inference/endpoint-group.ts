import type { Telemetry } from "../kernel/telemetry.js";
import { EndpointPlaces, type PlaceWish } from "./endpoint-places.js";
import type { CompletionEvent, CompletionRequest, InferenceBackend, PoolGroup } from "./inference-backend.js";
import { ModelFailure } from "./model-failure.js";
import type { PoolEndpoint } from "./pool-endpoint.js";
import { RetryBudget } from "./retry-budget.js";

/** The first try and two more. */
const attemptsMax = 3;
/** The second attempt comes within this, the third within twice as much: anywhere in it, so that callers who failed together do not come back together. */
const backoffMs = 250;

/**
 * Endpoints that share models. The only place that retries: up to three attempts a call, before its first
 * word alone, at another endpoint where there is one, and inside the request's one deadline.
 */
export class EndpointGroup implements InferenceBackend {
  readonly models: readonly string[];
  readonly limits: PoolGroup;
  readonly #places: EndpointPlaces;
  readonly #budget = new RetryBudget();

  constructor(
    private readonly endpoints: readonly PoolEndpoint[],
    private readonly telemetry: Telemetry,
    private readonly random: () => number = Math.random,
  ) {
    const byPriority = endpoints.toSorted((a, b) => a.config.priority - b.config.priority);
    this.models = [...new Set(byPriority.flatMap(({ config }) => config.models.map(({ name }) => name)))];
    this.limits = limitsOf(endpoints);
    this.#places = new EndpointPlaces(endpoints, undefined, random);
  }

  /** Throws a `ModelFailure`, or the signal's reason. */
  async *complete(request: CompletionRequest, signal: AbortSignal): AsyncGenerator<CompletionEvent> {
    // A tenant's own model is known where it was trained. Anywhere else its name would tell a stranger of it, and get another model's answer at best.
    const strangers = request.tuned === undefined ? [] : this.endpoints.filter(({ config }) => config.trains !== true);
    const tried = new Set<PoolEndpoint>(strangers);
    const excluded = new Set<PoolEndpoint>(strangers);
    const wish: PlaceWish = { model: request.model, tried, excluded, endsAt: request.endsAt ?? Number.POSITIVE_INFINITY, signal };
    this.#budget.deposit();
    let failure: ModelFailure | undefined;
    for (let left = attemptsMax - 1; ; left -= 1) {
      // Whoever has failed already is told of that, and not that nobody else is there.
      const attempt = await this.#places.take(wish).catch((error: unknown) => Promise.reject(failure !== undefined && error instanceof ModelFailure ? failure : error));
      const { endpoint } = attempt;
      let hasBegun = false;
      try {
        for await (const event of endpoint.client.complete({ ...request, model: request.tuned?.upstreamModel ?? endpoint.upstreamName(request.model) ?? request.model }, signal)) {
          if (event.kind === "DONE") attempt.succeed();
          else if (event.kind === "DELTA") attempt.heard();
          hasBegun ||= event.kind !== "USAGE";
          yield event;
        }
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof ModelFailure)) throw error;
        // A model of one tenant that is gone or broken must not shut the endpoint for all.
        attempt.fail(error, error.isFault && (request.tuned === undefined || error.kind === "UNREACHABLE"), request.tuned === undefined);
        if (hasBegun || left === 0) throw error;
        failure = error;
      } finally {
        attempt.leave(request.tuned === undefined);
      }
      tried.add(endpoint);
      if (failure.retry === "ELSEWHERE") excluded.add(endpoint);
      await this.#beforeRetry(failure, wish, attemptsMax - left);
    }
  }

  nameAtTrainer(model: string): string | undefined {
    return this.endpoints.find((endpoint) => endpoint.config.trains === true && endpoint.upstreamName(model) !== undefined)?.upstreamName(model);
  }

  close(): void {
    for (const { client } of this.endpoints) client.close();
  }

  /** Throws the failure if there shall be no other attempt. */
  async #beforeRetry(failure: ModelFailure, wish: PlaceWish, attempts: number): Promise<void> {
    if (failure.retry === "NO") throw failure;
    // Another endpoint is asked at once: it has not failed.
    const waitMs = failure.kind === "STALE_CONNECTION" || this.#places.hasFresh(wish) ? 0 : this.random() * backoffMs * 2 ** (attempts - 1);
    if (performance.now() + waitMs >= wish.endsAt) throw failure;
    // A stale connection says nothing against the back end, so trying again does not add to its trouble.
    if (failure.kind !== "STALE_CONNECTION" && !this.#budget.take()) {
      this.telemetry.count("model_retries_refused_total", { group: this.limits.name });
      throw failure;
    }
    this.telemetry.count("model_retries_total", { group: this.limits.name, after: failure.kind });
    if (waitMs > 0) await pause(waitMs, wish.signal);
  }
}

/** All that every endpoint allows; without a limit if any has none. */
function limitsOf(endpoints: readonly PoolEndpoint[]): PoolGroup {
  const configs = endpoints.map(({ config }) => config);
  const requestsPerMinute = sumIfAll(configs.map((config) => config.requestsPerMinute));
  const tokensPerMinute = sumIfAll(configs.map((config) => config.tokensPerMinute));
  return {
    // The same on every server, whatever the order in its file.
    name: configs.map(({ name }) => name).toSorted()[0] ?? "empty",
    slots: configs.reduce((sum, { concurrency }) => sum + concurrency, 0),
    ...(requestsPerMinute === undefined ? {} : { requestsPerMinute }),
    ...(tokensPerMinute === undefined ? {} : { tokensPerMinute }),
  };
}

function sumIfAll(values: readonly (number | undefined)[]): number | undefined {
  return values.reduce<number | undefined>((sum, value) => (sum === undefined || value === undefined ? undefined : sum + value), 0);
}

/** Ends early when the signal fires; whoever waits looks at it next. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end, { once: true });
  });
}
