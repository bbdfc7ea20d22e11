import { describe, expect, test } from "vitest";
import { LeasedCache } from "../../src/kernel/leased-cache.js";

function cacheOf(sizeMax: number, open = async (key: string) => ({ key })) {
  const disposed: string[] = [];
  const cache = new LeasedCache(sizeMax, open, async ({ key }) => void disposed.push(key), (error) => expect.unreachable(String(error)));
  return { cache, disposed };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("LeasedCache", () => {
  test("opens a key once for concurrent holders and keeps it while the bound allows", async () => {
    let opened = 0;
    const { cache, disposed } = cacheOf(2, async (key) => ({ key, count: (opened += 1) }));
    const [a, b] = await Promise.all([cache.lease("x"), cache.lease("x")]);
    expect(a.value).toBe(b.value);
    expect(opened).toBe(1);
    a.release();
    b.release();
    await settled();
    expect(disposed).toEqual([]);
  });

  test("never disposes what someone holds, and disposes it once after the last release", async () => {
    const { cache, disposed } = cacheOf(1);
    const held = await cache.lease("held");
    const other = await cache.lease("other");
    other.release();
    await settled();
    expect(disposed).toEqual(["other"]);
    cache.evict("held");
    await settled();
    expect(disposed).toEqual(["other"]);
    held.release();
    held.release();
    await settled();
    expect(disposed).toEqual(["other", "held"]);
  });

  test("a failed open is not served to the next caller", async () => {
    let fail = true;
    const { cache } = cacheOf(1, async (key) => {
      if (fail) throw new Error("down");
      return { key };
    });
    await expect(cache.lease("x")).rejects.toThrow("down");
    fail = false;
    expect((await cache.lease("x")).value).toEqual({ key: "x" });
  });

  test("after an eviction the next lease opens anew while the old holder keeps the old value", async () => {
    const { cache } = cacheOf(2);
    const first = await cache.lease("x");
    cache.evict("x");
    const second = await cache.lease("x");
    expect(second.value).not.toBe(first.value);
  });
});
