import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RatePart } from "../../src/metering/pool-share.js";
import { burstSeconds } from "../../src/metering/rate-bucket.js";
import { now, pass, random, World } from "./servers-world.js";

beforeEach(() => void vi.useFakeTimers({ toFake: ["performance", "setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

/** The most that began within any minute. */
function mostInAMinute(world: World, of: (start: World["starts"][number]) => number): number {
  let most = 0;
  world.starts.forEach((first, i) => {
    let sum = 0;
    for (const start of world.starts.slice(i)) {
      if (start.at >= first.at + 60_000) break;
      sum += of(start);
    }
    most = Math.max(most, sum);
  });
  return most;
}

describe("the provider's rates among several servers", () => {
  it("let no more requests begin in any minute than the limit, a second's burst, and one a server", async () => {
    const requestsPerMinute = 120;
    const world = new World({ name: "pool", slots: 8, requestsPerMinute });
    const servers = [await world.server(), await world.server(), await world.server()];
    servers[0]!.flood("a", 20, () => 20);
    await pass(30_000);
    servers[1]!.flood("b", 20, () => 20);
    await pass(60_000);
    await servers[0]!.crash();
    servers[2]!.flood("c", 5, () => 20);
    await pass(30_000);
    const most = mostInAMinute(world, () => 1);
    expect(most).toBeLessThanOrEqual(requestsPerMinute * (1 + burstSeconds / 60) + servers.length);
    // And hardly fewer are let through: in two minutes, with a lease of 3 s lost.
    expect(world.starts.length).toBeGreaterThan(2 * requestsPerMinute * 0.93);
    const both = world.starts.filter(({ at }) => at > 40_000 && at < 90_000);
    const ofB = both.filter(({ tenant }) => tenant === "b").length;
    expect(Math.abs(ofB / both.length - 0.5)).toBeLessThan(0.08);
  });

  it("let no more tokens be used in any minute than the limit, a second's burst, and the largest call of every server and slot", async () => {
    const tokensPerMinute = 60_000;
    const world = new World({ name: "pool", slots: 4, tokensPerMinute });
    const servers = [await world.server(), await world.server()];
    servers[0]!.flood("a", 12, () => 200 + random() * 2_000, { tokens: 1_000 }, random);
    await pass(30_000);
    servers[1]!.flood("b", 12, () => 200 + random() * 2_000, { tokens: 1_000 }, random);
    await pass(100_000);
    const most = mostInAMinute(world, ({ used }) => used);
    expect(most).toBeLessThanOrEqual(tokensPerMinute * (1 + burstSeconds / 60) + (servers.length + world.pool.slots) * 1_000);
    expect(world.peak).toBeLessThanOrEqual(4);
  });

  it("give a tenant with one call at a time its share of them beside a flood elsewhere", async () => {
    const world = new World({ name: "pool", slots: 8, requestsPerMinute: 120 });
    const [first, second] = [await world.server(), await world.server()];
    first.flood("flooder", 60, () => 20);
    second.flood("quiet", 1, () => 20);
    const since = now() + 10_000;
    await pass(70_000);
    const quiet = world.of("quiet", since) / (world.of("quiet", since) + world.of("flooder", since));
    expect(quiet).toBeGreaterThan(0.4);
    // One server alone would give it half.
    expect(quiet).toBeLessThan(0.6);
  });

  it("earn a server nothing for the time it slept past its lease", async () => {
    const part = new RatePart({ tokensPerMinute: 60_000 }, 0);
    part.resize(0.5, now() + 2_000);
    await pass(1);
    part.started(10_000);
    await pass(30_000);
    // Half a token a millisecond, for two seconds and no longer.
    expect(part.pauseMs / 2).toBeCloseTo(9_000, -2);
    part.resize(0.5, now() + 2_000);
    expect(part.pauseMs / 2).toBeCloseTo(9_000, -2);
    await pass(1_000);
    expect(part.pauseMs / 2).toBeCloseTo(8_500, -2);
  });
});
