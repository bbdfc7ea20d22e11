import { Redis } from "ioredis";
import { RateLimiterRedis } from "rate-limiter-flexible";
import { serviceUnavailable } from "../kernel/errors.js";
import type { Telemetry } from "../kernel/telemetry.js";
import type { CounterStore } from "./counter-store.js";
import { counterTimeoutMs, LimiterCounterStore, unreachablePoints } from "./limiter-counter-store.js";

/** Keys of other uses of the same Redis must not meet ours. */
const keyPrefix = "bulkhead:limits";

/** Counters in Redis, shared by every server. Throws `SERVICE_UNAVAILABLE` when it cannot be reached at start. */
export async function openRedisCounterStore(url: string, telemetry: Telemetry): Promise<CounterStore> {
  const redis = new Redis(url, {
    lazyConnect: true,
    // A command that waits for a reconnection would hold its request past every deadline.
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    connectTimeout: 1_500,
    commandTimeout: counterTimeoutMs,
    // A connection whose other end is gone without a word would time out command by command for ever: it is replaced.
    socketTimeout: counterTimeoutMs + 500,
    // The default waits up to 2 s between tries, which alone is the time a recovery may take.
    retryStrategy: (times) => Math.min(times * 50, 300),
  });
  // Without a listener ioredis prints each failed reconnection to the console.
  redis.on("error", (error: Error) => telemetry.log("warn", "Redis connection failed", { error: error.message }));
  // Redis keeps counters in memory: behind a new connection may be one that has just been started.
  let connections = 0;
  redis.on("ready", () => (connections += 1));
  try {
    await redis.connect();
    await redis.ping();
  } catch (error) {
    redis.disconnect();
    throw serviceUnavailable("REDIS_URL cannot be reached", 1_000, error);
  }
  const limiter = new RateLimiterRedis({ storeClient: redis, points: unreachablePoints, duration: 60, keyPrefix, rejectIfRedisNotReady: true });
  return new LimiterCounterStore(limiter, async () => {
    redis.disconnect();
  }, () => connections);
}
