import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FairQueue, type Turn, type WorkClass } from "../../src/metering/fair-queue.js";
import { never, requestOf, turnOf } from "./queue-fixtures.js";
import { pass, World } from "./servers-world.js";

beforeEach(() => void vi.useFakeTimers({ toFake: ["performance", "setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

const callMs = 100;

/** A queue in which calls of a class always wait. Each takes 100 ms. */
async function flooded(slots: number, workClass: WorkClass, more: { readonly backgroundSlots?: number } = {}): Promise<FairQueue> {
  const queue = new FairQueue({ slots, ...more });
  for (let caller = 0; caller < slots + 4; caller += 1) void ask(queue, `customer-${caller}`, workClass, callMs, () => false);
  await pass(callMs);
  return queue;
}

/** One call after another. */
async function ask(queue: FairQueue, tenant: string, workClass: WorkClass, holdMs: number, isLast: (turn: Turn) => boolean): Promise<void> {
  for (;;) {
    const turn = await turnOf(queue, requestOf(tenant, { workClass }));
    const isOver = isLast(turn);
    await new Promise((resolve) => setTimeout(resolve, holdMs));
    turn.release(100);
    if (isOver) return;
  }
}

describe("an audit's call beside a flood without an end", () => {
  it.each([["INTERACTIVE", 1], ["INTERACTIVE", 4], ["INGEST", 1], ["INGEST", 4]] as const)("of %s at %i slots has its turn after 5 s and not before", async (workClass, slots) => {
    const queue = await flooded(slots, workClass);
    const waits: number[] = [];
    void ask(queue, "probe", "AUDIT", callMs, ({ waitedMs }) => waits.push(waitedMs) > 0);
    await pass(4_900);
    expect(waits).toEqual([]);
    await pass(400);
    expect(waits.length).toBe(1);
  });

  it("has one slot at a time, however many are overdue, and what came later waits for its own 5 s", async () => {
    const queue = await flooded(4, "INTERACTIVE");
    let running = 0;
    let most = 0;
    let turns = 0;
    for (let call = 0; call < 12; call += 1) {
      void turnOf(queue, requestOf(`probe-${call % 3}`, { workClass: "AUDIT" })).then(async (turn) => {
        turns += 1;
        most = Math.max(most, (running += 1));
        await new Promise((resolve) => setTimeout(resolve, callMs));
        running -= 1;
        turn.release(100);
      });
    }
    await pass(5_000 + 12 * 2 * callMs);
    expect([turns, most]).toEqual([12, 1]);
    let isLateServed = false;
    void turnOf(queue, requestOf("probe-0", { workClass: "AUDIT" })).then(() => (isLateServed = true));
    await pass(4_900);
    expect(isLateServed).toBe(false);
  });

  it("is not hidden by calls of a less served tenant that come and give up", async () => {
    const queue = await flooded(2, "INTERACTIVE");
    let isServed = false;
    for (let batch = 0; batch < 40; batch += 1) {
      const patience = new AbortController();
      queue.acquire(requestOf("a", { workClass: "AUDIT", tokens: 1 }), patience.signal).catch(() => undefined);
      if (batch === 0) void turnOf(queue, requestOf("b", { workClass: "AUDIT", tokens: 1_000 })).then(() => (isServed = true));
      await pass(240);
      patience.abort(new TypeError("gone"));
    }
    expect(isServed).toBe(true);
  });

  it("gives its place up only once, however often it is released", async () => {
    const queue = await flooded(4, "INTERACTIVE");
    const turns: Turn[] = [];
    for (let call = 0; call < 3; call += 1) void turnOf(queue, requestOf("probe", { workClass: "AUDIT" })).then((turn) => turns.push(turn));
    await pass(5_200);
    turns[0]?.release(1);
    await pass(2 * callMs);
    turns[0]?.release(1);
    await pass(2 * callMs);
    expect(turns.length).toBe(2);
  });

  it("leaves the slot for questions free", async () => {
    const queue = new FairQueue({ slots: 3 });
    for (let call = 0; call < 6; call += 1) void queue.acquire(requestOf("ingester", { workClass: "INGEST" }), never);
    void queue.acquire(requestOf("probe", { workClass: "AUDIT" }), never);
    await pass(10_000);
    queue.resume();
    expect(queue.running).toBe(2);
    expect((await turnOf(queue, requestOf("customer"))).waitedMs).toBe(0);
  });

  it("gets no slot while the provider's rates allow none", async () => {
    const share = { slots: 4, pauseMs: Number.POSITIVE_INFINITY, started() {}, ended() {}, attach() {}, wanted() {} };
    const queue = new FairQueue({ slots: 4 }, share);
    void queue.acquire(requestOf("customer"), never);
    void queue.acquire(requestOf("probe", { workClass: "AUDIT" }), never);
    await pass(10_000);
    queue.resume();
    expect(queue.running).toBe(0);
  });

  it("has a slot of its server's though all that floods is at another", async () => {
    const world = new World({ name: "pool", slots: 2 });
    const [busy, quiet] = [await world.server(), await world.server()];
    busy.flood("customer", 20, () => callMs);
    await pass(3_000);
    void quiet.call("probe", callMs, { workClass: "AUDIT" });
    await pass(4_500);
    expect(world.of("probe")).toBe(0);
    await pass(2_500);
    expect(world.of("probe")).toBe(1);
    expect(world.peak).toBeLessThanOrEqual(2);
  });

  it("is the only one: a placement move waits as before", async () => {
    const queue = await flooded(4, "INTERACTIVE");
    let isServed = false;
    void turnOf(queue, requestOf("mover", { workClass: "MOVE" })).then(() => (isServed = true));
    await pass(30_000);
    expect(isServed).toBe(false);
  });
});
