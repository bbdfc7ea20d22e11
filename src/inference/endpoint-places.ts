import { ModelFailure } from "./model-failure.js";
import type { Attempt, PoolEndpoint } from "./pool-endpoint.js";

export interface PlaceWish {
  readonly model: string;
  /** Have failed this call already: asked again only if there is no other. */
  readonly tried: ReadonlySet<PoolEndpoint>;
  /** Are not asked again for this call. */
  readonly excluded: ReadonlySet<PoolEndpoint>;
  /** The request's deadline on the clock of `now`. */
  readonly endsAt: number;
  readonly signal: AbortSignal;
}

type Finding =
  | { readonly kind: "PLACE"; readonly endpoint: PoolEndpoint }
  /** All that are healthy are full. */
  | { readonly kind: "FULL" }
  /** All rest; the first that comes back does so at `until`. */
  | { readonly kind: "RESTING"; readonly until: number }
  | { readonly kind: "NONE"; readonly retryAfterMs?: number };

/** Which endpoint a call goes to: of those that serve its model, are healthy and have a place, the lowest priority, and by weight within it. */
export class EndpointPlaces {
  readonly #waiting = new Set<() => void>();

  constructor(
    private readonly endpoints: readonly PoolEndpoint[],
    private readonly now: () => number = () => performance.now(),
    private readonly random: () => number = Math.random,
  ) {}

  /**
   * Waits for a place, and for an endpoint that rests if its rest ends in time. Throws a `NONE_HEALTHY`
   * failure if there is nothing to wait for, or the signal's reason.
   */
  async take(wish: PlaceWish): Promise<Attempt> {
    for (;;) {
      wish.signal.throwIfAborted();
      const found = this.#find(wish);
      if (found.kind === "PLACE") return found.endpoint.begin(() => this.#wakeAll());
      if (found.kind === "NONE") throw noneHealthy(found.retryAfterMs);
      if (found.kind === "RESTING" && found.until >= wish.endsAt) throw noneHealthy(Math.ceil(found.until - this.now()));
      await this.#changed(found.kind === "RESTING" ? found.until : undefined, wish.signal);
    }
  }

  /** Whether an endpoint that has not failed this call could take it now. */
  hasFresh({ model, tried }: PlaceWish): boolean {
    const now = this.now();
    return this.endpoints.some((endpoint) => endpoint.upstreamName(model) !== undefined && !tried.has(endpoint) && !endpoint.isFull && isHealthy(endpoint, now));
  }

  #find({ model, tried, excluded }: PlaceWish): Finding {
    const now = this.now();
    const serving = this.endpoints.filter((endpoint) => endpoint.upstreamName(model) !== undefined && !excluded.has(endpoint));
    const healthy = serving.filter((endpoint) => isHealthy(endpoint, now));
    const free = healthy.filter((endpoint) => !endpoint.isFull);
    const fresh = free.filter((endpoint) => !tried.has(endpoint));
    const endpoint = this.#choose(fresh.length > 0 ? fresh : free);
    if (endpoint !== undefined) return { kind: "PLACE", endpoint };
    return healthy.length > 0 ? { kind: "FULL" } : this.#findUnhealthy(serving, now);
  }

  /**
   * With nowhere else to go, one call at a time is let through to an endpoint whose circuit is open:
   * it finds out that the endpoint is back, and its caller hears what is really wrong. All others fail at once.
   */
  #findUnhealthy(serving: readonly PoolEndpoint[], now: number): Finding {
    const trial = this.#choose(serving.filter((endpoint) => endpoint.restsUntil <= now && !endpoint.breaker.hasTrial && !endpoint.isFull));
    if (trial !== undefined) return { kind: "PLACE", endpoint: trial };
    const resting = serving.filter((endpoint) => endpoint.restsUntil > now && !endpoint.breaker.hasTrial);
    if (resting.length > 0) return { kind: "RESTING", until: Math.min(...resting.map((endpoint) => endpoint.restsUntil)) };
    const opens = serving.map((endpoint) => endpoint.breaker.openUntil ?? now);
    return { kind: "NONE", ...(opens.length === 0 ? {} : { retryAfterMs: Math.max(0, Math.ceil(Math.min(...opens) - now)) }) };
  }

  #choose(candidates: readonly PoolEndpoint[]): PoolEndpoint | undefined {
    if (candidates.length < 2) return candidates[0];
    const first = Math.min(...candidates.map(({ config }) => config.priority));
    const best = candidates.filter(({ config }) => config.priority === first);
    let point = this.random() * best.reduce((sum, { config }) => sum + config.weight, 0);
    return best.find(({ config }) => (point -= config.weight) < 0) ?? best.at(-1);
  }

  /** Until a place is freed, or the moment has come, or the signal fires. */
  #changed(until: number | undefined, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", end);
        this.#waiting.delete(end);
        resolve();
      };
      const timer = until === undefined ? undefined : setTimeout(end, Math.max(1, until - this.now()));
      signal.addEventListener("abort", end, { once: true });
      this.#waiting.add(end);
    });
  }

  /** In the order in which they came; who finds nothing waits again in that order. */
  #wakeAll(): void {
    for (const wake of this.#waiting) wake();
  }
}

function noneHealthy(retryAfterMs: number | undefined): ModelFailure {
  return new ModelFailure("NONE_HEALTHY", "No back end of the model is healthy at present", retryAfterMs === undefined ? {} : { retryAfterMs });
}

function isHealthy(endpoint: PoolEndpoint, now: number): boolean {
  return endpoint.restsUntil <= now && endpoint.breaker.isReady;
}
