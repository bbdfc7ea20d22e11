import { it } from "vitest";
import { silentTelemetry } from "../../src/kernel/telemetry.js";
import { openRedisCounterStore } from "../../src/quotas/redis-counter-store.js";
import { describeCounterStore } from "./counter-store-contract.js";

const url = process.env.REDIS_TEST_URL;

if (url === undefined) {
  process.stdout.write("Skipped: the Redis counter store, since REDIS_TEST_URL is not set\n");
  it.skip("a counter store in Redis (REDIS_TEST_URL is not set)", () => {});
} else {
  describeCounterStore("Redis", async () => {
    const [one, other] = await Promise.all([openRedisCounterStore(url, silentTelemetry), openRedisCounterStore(url, silentTelemetry)]);
    return {
      one,
      other,
      close: async () => {
        await Promise.all([one.close(), other.close()]);
      },
    };
  });
}

it("refuses to start without its Redis, instead of counting nothing", async ({ expect }) => {
  await expect(openRedisCounterStore("redis://127.0.0.1:1", silentTelemetry)).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE" });
});
