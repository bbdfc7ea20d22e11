import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { isRefusal } from "../../src/kernel/refusal.js";
import { silentTelemetry } from "../../src/kernel/telemetry.js";
import { FairQueue, type TurnRequest } from "../../src/metering/fair-queue.js";
import { LeasedShare, type SharedPool } from "../../src/metering/leased-share.js";
import { burstSeconds } from "../../src/metering/rate-bucket.js";
import type { PoolShareStore, ShareBeat, ShareView } from "../../src/storage/control/pool-share-rows.js";
import { MemoryPoolShares } from "./memory-pool-shares.js";
import { never, requestOf } from "./queue-fixtures.js";

beforeEach(() => void vi.useFakeTimers({ toFake: ["performance", "setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

const now = (): number => performance.now();
const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

/** The provider as all servers see it, and the store between them. */
class World implements PoolShareStore {
  readonly starts: { readonly at: number; readonly tenant: string; readonly used: number }[] = [];
  readonly servers: Server[] = [];
  isDown = false;
  running = 0;
  peak = 0;
  readonly #store = new MemoryPoolShares(now);

  constructor(readonly pool: SharedPool) {}

  async beat(group: string, beat: ShareBeat): Promise<ShareView> {
    await new Promise((resolve) => setTimeout(resolve, 3));
    if (this.isDown) throw new TypeError("down");
    return this.#store.beat(group, beat);
  }

  leave(group: string, server: string): Promise<void> {
    return this.#store.leave(group, server);
  }

  async server(): Promise<Server> {
    const server = new Server(this);
    this.servers.push(server);
    await pass(1_500);
    return server;
  }

  of(tenant: string, since = 0): number {
    return this.starts.filter((start) => start.tenant === tenant && start.at >= since).length;
  }
}

class Server {
  readonly share: LeasedShare;
  readonly queue: FairQueue;
  readonly #stop = new AbortController();

  constructor(private readonly world: World) {
    this.share = new LeasedShare(world.pool, world, silentTelemetry, now);
    this.queue = new FairQueue({ slots: world.pool.slots }, this.share);
  }

  /** Resolves when the call has ended, with how long it waited for its turn. */
  async call(tenant: string, holdMs: number, more: Partial<TurnRequest> = {}, usedPart = 1): Promise<number> {
    const request = requestOf(tenant, more);
    const turn = await this.queue.acquire(request, never);
    if (isRefusal(turn)) throw new TypeError(turn.message);
    const { world } = this;
    const used = Math.round(request.tokens * usedPart);
    world.starts.push({ at: now(), tenant, used });
    world.running += 1;
    world.peak = Math.max(world.peak, world.running);
    await new Promise((resolve) => setTimeout(resolve, holdMs));
    world.running -= 1;
    if (!this.#stop.signal.aborted) turn.release(used);
    return turn.waitedMs;
  }

  /** So many calls of a tenant at once, each followed by another. */
  flood(tenant: string, calls: number, holdMs: () => number, more: Partial<TurnRequest> = {}, usedPart: () => number = () => 1): void {
    const again = (): Promise<void> => this.call(tenant, holdMs(), more, usedPart()).then(() => (this.#stop.signal.aborted ? undefined : again()));
    for (let i = 0; i < calls; i += 1) void again();
  }

  /** Says nothing from now on. */
  async crash(): Promise<void> {
    this.#stop.abort();
    const { leave } = this.world;
    this.world.leave = async () => {};
    await this.share.close();
    this.world.leave = leave;
  }
}

let seed = 11;
const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
const about100Ms = (): number => 50 + Math.round(random() * 100);

describe("a pool that several servers lease", () => {
  it("gives a quiet tenant its turns beside a flood at another server: back in under a second, then at once", async () => {
    const world = new World({ name: "pool", slots: 8 });
    const [first, second] = [await world.server(), await world.server()];
    first.flood("flooder", 60, about100Ms);
    await pass(5_000);
    // All slots are at work for the one who asks.
    expect(world.running).toBe(8);
    const waits: number[] = [];
    for (let i = 0; i < 10; i += 1) {
      const asked = second.call("quiet", 100).then((waitedMs) => waits.push(waitedMs));
      await pass(1_500);
      await asked;
      expect(second.queue.waiting).toBe(0);
    }
    // Idle for over a second each time: every question has to take its slot back.
    expect(Math.max(...waits)).toBeLessThan(1_000);
    for (let i = 0; i < 10; i += 1) {
      const asked = second.call("quiet", 100).then((waitedMs) => waits.push(waitedMs));
      await pass(700);
      await asked;
    }
    // Asked within a second of the last: the slot is still there.
    expect(waits.slice(-8)).toEqual(Array.from({ length: 8 }, () => 0));
    expect(world.peak).toBeLessThanOrEqual(8);
  });

  it("is shared by weight between floods at different servers, and no slot stays empty for long", async () => {
    const world = new World({ name: "pool", slots: 8 });
    const [first, second] = [await world.server(), await world.server()];
    const since = now();
    first.flood("light", 40, about100Ms, { weight: 1 });
    second.flood("heavy", 40, about100Ms, { weight: 3 });
    await pass(20_000);
    const [light, heavy] = [world.of("light", since), world.of("heavy", since)];
    expect(heavy / light).toBeGreaterThan(2.7);
    expect(heavy / light).toBeLessThan(3.3);
    // 8 slots and 100 ms a call: 1,600 at the very most.
    expect(light + heavy).toBeGreaterThan(1_500);
    expect(world.peak).toBeLessThanOrEqual(8);
  });

  it("shuts no server out when there are fewer slots than servers", async () => {
    const world = new World({ name: "pool", slots: 2 });
    const servers = [await world.server(), await world.server(), await world.server(), await world.server()];
    servers.forEach((server, i) => server.flood(`t${i}`, 10, about100Ms));
    await pass(30_000);
    for (let i = 0; i < 4; i += 1) expect(world.of(`t${i}`)).toBeGreaterThan((world.starts.length / 4) * 0.7);
    // Slots change hands every second, and lie still on the way: four fifths are used at least.
    expect(world.starts.length).toBeGreaterThan(2 * 300 * 0.8);
    expect(world.peak).toBeLessThanOrEqual(2);
  });

  it("has a part for an idle server, so that its first question waits for nothing", async () => {
    const world = new World({ name: "pool", slots: 8 });
    const [, second] = [await world.server(), await world.server()];
    await pass(10_000);
    const asked = second.call("quiet", 10);
    await pass(20);
    expect(await asked).toBe(0);
  });

  it("starts nothing at a server that has not reached the store for two seconds, and goes on when it does", async () => {
    const world = new World({ name: "pool", slots: 8 });
    const server = await world.server();
    server.flood("a", 20, about100Ms);
    await pass(1_000);
    world.isDown = true;
    await pass(2_250);
    const at = now();
    await pass(5_000);
    expect(world.of("a", at)).toBe(0);
    world.isDown = false;
    await pass(300);
    expect(world.running).toBe(8);
  });

  it("is free again for others when a server dies, within its lease, and at once when it leaves", async () => {
    const world = new World({ name: "pool", slots: 8 });
    const [first, second, third] = [await world.server(), await world.server(), await world.server()];
    first.flood("a", 20, about100Ms);
    second.flood("b", 20, about100Ms);
    await pass(2_000);
    await first.crash();
    await pass(3_500);
    expect(second.queue.running).toBe(8);
    await third.share.close();
    await pass(300);
    expect(second.queue.running).toBe(8);
  });
});

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
});
