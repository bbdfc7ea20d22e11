/** Servers, the provider as all of them see it, and the store between them, in the time of vitest's fake clock. */
import { vi } from "vitest";
import { isRefusal } from "../../src/kernel/refusal.js";
import { silentTelemetry } from "../../src/kernel/telemetry.js";
import { FairQueue, type TurnRequest } from "../../src/metering/fair-queue.js";
import { LeasedShare, type SharedPool } from "../../src/metering/leased-share.js";
import type { PoolShareStore, ShareBeat, ShareView } from "../../src/storage/control/pool-share-rows.js";
import { MemoryPoolShares } from "./memory-pool-shares.js";
import { never, requestOf } from "./queue-fixtures.js";

export const now = (): number => performance.now();
export const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

/** The provider as all servers see it, and the store between them. */
export class World implements PoolShareStore {
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

export class Server {
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
export const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
export const about100Ms = (): number => 50 + Math.round(random() * 100);
