import { RateLimiterMemory } from "rate-limiter-flexible";
import type { CounterStore, Take } from "./counter-store.js";
import { unreachablePoints } from "./limiter-counter-store.js";

/** Counters of this process alone, right only where one server runs. */
export function openMemoryCounterStore(): CounterStore {
  return new MemoryCounterStore();
}

/** A take is a few instructions here and cannot fail: nothing is gathered, timed or tried again. */
class MemoryCounterStore implements CounterStore {
  readonly shared = false;
  readonly generation = 0;
  readonly #limiter = new RateLimiterMemory({ points: unreachablePoints, duration: 60, keyPrefix: "" });

  async take(key: string, points: number, limit: number, windowMs: number): Promise<Take> {
    const { consumedPoints } = await this.#limiter.penalty(key, points, { customDuration: windowMs / 1_000 });
    // It stood below zero: forgotten, and then given back to. That would be credit for whoever comes now.
    const used = consumedPoints < points ? (await this.#limiter.penalty(key, points - consumedPoints, { customDuration: windowMs / 1_000 })).consumedPoints : consumedPoints;
    if (used <= limit) return { kind: "TAKEN", used };
    await this.giveBack(key, points, windowMs);
    return { kind: "REFUSED", used: Math.max(0, used - points) };
  }

  async giveBack(key: string, points: number, windowMs: number): Promise<void> {
    if (points !== 0) await this.#limiter.reward(key, points, { customDuration: windowMs / 1_000 });
  }

  async read(keys: readonly string[]): Promise<readonly number[]> {
    const counters = await Promise.all(keys.map((key) => this.#limiter.get(key)));
    // A counter that was lost and then given back to stands below zero: that is no credit.
    return counters.map((counter) => Math.max(0, counter?.consumedPoints ?? 0));
  }

  async forget(keys: readonly string[]): Promise<number> {
    const deleted = await Promise.all(keys.map((key) => this.#limiter.delete(key)));
    return deleted.filter(Boolean).length;
  }

  async close(): Promise<void> {}
}
