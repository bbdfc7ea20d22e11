import { RateLimiterMemory } from "rate-limiter-flexible";
import type { CounterStore } from "./counter-store.js";
import { LimiterCounterStore, unreachablePoints } from "./limiter-counter-store.js";

/** Counters of this process alone, right only where one server runs. */
export function openMemoryCounterStore(): CounterStore {
  const limiter = new RateLimiterMemory({ points: unreachablePoints, duration: 60, keyPrefix: "" });
  return new LimiterCounterStore(limiter, false, async () => {});
}
