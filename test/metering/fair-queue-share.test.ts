import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FairQueue } from "../../src/metering/fair-queue.js";
import { WholeShare, type PoolShare } from "../../src/metering/pool-share.js";
import { nextTurnOfLoop, requestOf, turnOf } from "./queue-fixtures.js";

function shareOf(slots: number): PoolShare & { slots: number; pauseMs: number; asked: number } {
  return { slots, pauseMs: 0, asked: 0, started() {}, ended() {}, attach() {}, wanted() { this.asked += 1; } };
}

describe("a queue whose share of the pool changes", () => {
  it("starts nothing without a slot, asks for one, and starts what waits once it has", async () => {
    const share = shareOf(0);
    const queue = new FairQueue({ slots: 8 }, share);
    const turns = [turnOf(queue, requestOf("a")), turnOf(queue, requestOf("b"))];
    expect([queue.running, queue.waiting, share.asked]).toEqual([0, 2, 2]);
    share.slots = 1;
    queue.resume();
    await Promise.race(turns);
    expect([queue.running, queue.waiting]).toEqual([1, 1]);
  });

  it("lets what runs go on when its share shrinks, and starts nothing before it is below the share", async () => {
    const share = shareOf(3);
    const queue = new FairQueue({ slots: 8 }, share);
    const running = await Promise.all([1, 2, 3].map(() => turnOf(queue, requestOf("a"))));
    share.slots = 1;
    void turnOf(queue, requestOf("b"));
    running[0]?.release(1);
    running[1]?.release(1);
    expect([queue.running, queue.waiting]).toEqual([1, 1]);
    running[2]?.release(1);
    expect([queue.running, queue.waiting]).toEqual([1, 0]);
  });

  it("tells what is wanted of it by tenant and class", async () => {
    const queue = new FairQueue({ slots: 2 });
    await Promise.all([turnOf(queue, requestOf("a", { weight: 4 })), turnOf(queue, requestOf("b", { workClass: "INGEST" }))]);
    void turnOf(queue, requestOf("a", { weight: 4 }));
    expect([...queue.demand()]).toEqual([
      { tenantId: "a", weight: 4, rank: 0, running: 1, waiting: 1 },
      { tenantId: "b", weight: 1, rank: 1, running: 1, waiting: 0 },
    ]);
  });

  it("lets no lower class slip past a question that waits for the provider's rate", async () => {
    const share = shareOf(8);
    const queue = new FairQueue({ slots: 8 }, share);
    share.pauseMs = Number.POSITIVE_INFINITY;
    void turnOf(queue, requestOf("a"));
    share.pauseMs = 0;
    const ingest = turnOf(queue, requestOf("b", { workClass: "INGEST" }));
    expect(queue.running).toBe(0);
    queue.resume();
    await ingest;
    expect(queue.running).toBe(2);
  });
});

describe("the provider's rates", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["performance", "setTimeout", "clearTimeout"] }));
  afterEach(() => void vi.useRealTimers());

  it("space calls out that wait, without anybody's coming or going", async () => {
    const queue = new FairQueue({ slots: 8 }, new WholeShare(8, { requestsPerMinute: 60 }));
    for (let i = 0; i < 5; i += 1) void turnOf(queue, requestOf("a"));
    // The burst of a second, and one that goes over.
    vi.advanceTimersByTime(10);
    expect(queue.running).toBe(2);
    vi.advanceTimersByTime(1_000);
    await nextTurnOfLoop();
    expect(queue.running).toBe(3);
    vi.advanceTimersByTime(2_000);
    expect(queue.running).toBe(5);
  });

  it("count tokens by their bound, and give back what was not used", async () => {
    const queue = new FairQueue({ slots: 8 }, new WholeShare(8, { tokensPerMinute: 6_000 }));
    const first = await turnOf(queue, requestOf("a", { tokens: 1_100 }));
    void turnOf(queue, requestOf("a", { tokens: 100 }));
    vi.advanceTimersByTime(9_000);
    expect(queue.running).toBe(1);
    first.release(50);
    expect([queue.running, queue.waiting]).toEqual([1, 0]);
  });
});
