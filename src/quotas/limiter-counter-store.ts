import type { RateLimiterAbstract } from "rate-limiter-flexible";
import { CounterStoreFailed, type CounterStore, type Take } from "./counter-store.js";
import { GiveBackLanes } from "./give-back-lanes.js";
import { TakeLanes } from "./take-lanes.js";
import { withinTimeout } from "./within-timeout.js";

/** Waiting longer for a counter than this costs more than the answer is worth: the caller fails closed instead. */
export const counterTimeoutMs = 1_000;

/**
 * After a failure the store is not asked again for this long, or every request would wait out the
 * timeout. Short enough that timeout and rest together end within 2 s of a store's coming back.
 */
export const counterRestMs = 500;

/**
 * No limiter of the library ever refuses: its own limit is out of reach, and the comparison is made
 * here. A refusal of the library is a rejection that is no Error and has consumed its points all
 * the same; this way there is none, and only failures reject.
 */
export const unreachablePoints = Number.MAX_SAFE_INTEGER;

/** Counts in any limiter of rate-limiter-flexible that servers share. */
export class LimiterCounterStore implements CounterStore {
  readonly shared = true;
  readonly #lanes = new TakeLanes(
    (key, points, windowMs) => this.#add(key, points, windowMs),
    (key, points, windowMs) => this.giveBack(key, points, windowMs),
  );
  readonly #givenBack = new GiveBackLanes((key, points, windowMs) => this.#reward(key, points, windowMs));
  #restsUntil = 0;

  constructor(
    private readonly limiter: RateLimiterAbstract,
    private readonly onClose: () => Promise<void>,
    private readonly generationNow: () => number = () => 0,
  ) {}

  get generation(): number {
    return this.generationNow();
  }

  take(key: string, points: number, limit: number, windowMs: number): Promise<Take> {
    return this.#lanes.take(key, points, limit, windowMs);
  }

  async giveBack(key: string, points: number, windowMs: number): Promise<void> {
    if (points > 0) await this.#givenBack.giveBack(key, points, windowMs);
  }

  async read(keys: readonly string[]): Promise<readonly number[]> {
    const counters = await this.#ask(() => Promise.all(keys.map((key) => this.limiter.get(key))));
    // A counter that was lost and then given back to stands below zero: that is no credit.
    return counters.map((counter) => Math.max(0, counter?.consumedPoints ?? 0));
  }

  async forget(keys: readonly string[]): Promise<number> {
    const deleted = await this.#ask(() => Promise.all(keys.map((key) => this.limiter.delete(key))));
    return deleted.filter(Boolean).length;
  }

  close(): Promise<void> {
    return this.onClose();
  }

  async #reward(key: string, points: number, windowMs: number): Promise<void> {
    await this.#ask(() => this.limiter.reward(key, points, { customDuration: seconds(windowMs) }));
  }

  async #add(key: string, points: number, windowMs: number): Promise<number> {
    const used = await this.#penalty(key, points, windowMs);
    // It stood below zero: lost with a restart of the store, and then given back to. That would be credit for whoever
    // comes now. Two who both see it both take it away: too few may pass then, never too many.
    return used < points ? this.#penalty(key, points - used, windowMs) : used;
  }

  async #penalty(key: string, points: number, windowMs: number): Promise<number> {
    let isGivenUp = false;
    // A store that is slow counts all the same, for a caller that was told it was not: its points would shut the tenant
    // out for a minute. Given back once it is known that they were counted; before, that could be credit.
    const giveBackLate = async (counted: Promise<unknown>): Promise<void> => {
      await counted;
      if (isGivenUp) await this.limiter.reward(key, points, { customDuration: seconds(windowMs) });
    };
    try {
      const counter = await this.#ask(() => {
        const counted = this.limiter.penalty(key, points, { customDuration: seconds(windowMs) });
        giveBackLate(counted).catch(() => undefined);
        return counted;
      });
      return counter.consumedPoints;
    } catch (error) {
      isGivenUp = true;
      throw error;
    }
  }

  async #ask<Value>(question: () => Promise<Value>): Promise<Value> {
    if (performance.now() < this.#restsUntil) throw new CounterStoreFailed("The store of limits failed a moment ago");
    try {
      return await withinTimeout(question(), counterTimeoutMs);
    } catch (error) {
      this.#restsUntil = performance.now() + counterRestMs;
      throw new CounterStoreFailed("The store of limits does not answer", { cause: error });
    }
  }
}

/** Redis counts whole seconds and rounds down: rounding up here keeps a counter alive for its whole window. */
function seconds(windowMs: number): number {
  return Math.ceil(windowMs / 1_000);
}
