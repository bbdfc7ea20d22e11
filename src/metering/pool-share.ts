import { RateBucket } from "./rate-bucket.js";

/** What the provider of a group of models allows in a minute. What is left out is not limited. */
export interface ProviderRates {
  readonly requestsPerMinute?: number;
  readonly tokensPerMinute?: number;
}

/** One tenant's calls of one class at a queue. */
export interface Demand {
  readonly tenantId: string;
  readonly weight: number;
  /** Of its class; 0 goes first. */
  readonly rank: number;
  readonly running: number;
  readonly waiting: number;
}

/** What a share asks of the queue that uses it. */
export interface ShareUser {
  readonly running: number;
  demand(): Iterable<Demand>;
  /** Gives turns that a grown share allows. */
  resume(): void;
}

/** What of a pool this server may use at the moment: all of it when it is alone, what it has leased otherwise. */
export interface PoolShare {
  /** Calls that may run at once. More may be running when the share has just shrunk. */
  readonly slots: number;
  /** Until the provider's rates allow a call to start, in milliseconds; infinite while this server has no part of them. */
  readonly pauseMs: number;
  started(tenantId: string, weight: number, rank: number, tokens: number): void;
  ended(chargedTokens: number, usedTokens: number): void;
  /** A call waits for want of slots, or of any part of the rates. */
  wanted(): void;
  attach(user: ShareUser): void;
}

/** A part of the provider's rates. */
export class RatePart {
  readonly #requests: RateBucket | undefined;
  readonly #tokens: RateBucket | undefined;

  constructor({ requestsPerMinute, tokensPerMinute }: ProviderRates, portion: number, now: () => number = () => performance.now()) {
    if (requestsPerMinute !== undefined) this.#requests = new RateBucket(requestsPerMinute, portion, now);
    if (tokensPerMinute !== undefined) this.#tokens = new RateBucket(tokensPerMinute, portion, now);
  }

  get pauseMs(): number {
    return Math.max(this.#requests?.pauseMs ?? 0, this.#tokens?.pauseMs ?? 0);
  }

  resize(portion: number, until: number): void {
    this.#requests?.resize(portion, until);
    this.#tokens?.resize(portion, until);
  }

  started(tokens: number): void {
    this.#requests?.charge(1);
    this.#tokens?.charge(tokens);
  }

  ended(chargedTokens: number, usedTokens: number): void {
    this.#tokens?.charge(usedTokens - chargedTokens);
  }
}

/** The share of a server that is alone. */
export class WholeShare implements PoolShare {
  readonly #rates: RatePart;

  constructor(readonly slots: number, rates: ProviderRates = {}) {
    this.#rates = new RatePart(rates, 1);
  }

  get pauseMs(): number {
    return this.#rates.pauseMs;
  }

  started(_tenantId: string, _weight: number, _rank: number, tokens: number): void {
    this.#rates.started(tokens);
  }

  ended(chargedTokens: number, usedTokens: number): void {
    this.#rates.ended(chargedTokens, usedTokens);
  }

  wanted(): void {}
  attach(): void {}
}
