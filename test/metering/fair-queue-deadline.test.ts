import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { isRefusal } from "../../src/kernel/refusal.js";
import { FairQueue, type Turn, type TurnRequest } from "../../src/metering/fair-queue.js";
import { FlowQueue } from "../../src/metering/flow-queue.js";
import { never, requestOf, turnOf } from "./queue-fixtures.js";

beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));
afterEach(() => void vi.useRealTimers());

/** A queue of one slot whose line has given `turns` turns, each after a call of `holdMs`. Its slot is held and the first tenants still wait. */
async function busyQueue(lines: Readonly<Record<string, number>>, turns: number, holdMs: number): Promise<FairQueue> {
  const queue = new FairQueue({ slots: 1 });
  const running: Turn[] = [await turnOf(queue, requestOf("blocker"))];
  for (const [tenant, calls] of Object.entries(lines)) {
    for (let i = 0; i < calls; i += 1) void turnOf(queue, requestOf(tenant)).then((turn) => running.push(turn));
  }
  for (let i = 0; i < turns; i += 1) {
    vi.advanceTimersByTime(holdMs);
    running.shift()?.release(100);
    await Promise.resolve().then(() => undefined);
    await Promise.resolve();
  }
  return queue;
}

/** Whether the call was refused for its deadline; a call that waits is let go again. */
async function isLate(queue: FairQueue, request: TurnRequest): Promise<boolean> {
  const gone = new AbortController();
  const asked = queue.acquire(request, gone.signal).catch(() => undefined);
  gone.abort(new TypeError("gone"));
  const answer = await asked;
  return answer !== undefined && isRefusal(answer) && answer.limit === "deadline";
}

describe("a call that cannot have its turn before its deadline", () => {
  it("is refused with OVERLOADED at once, and told when to come back", async () => {
    const queue = await busyQueue({ a: 60 }, 20, 1_000);
    // 40 calls of a second each go before it.
    const waiting = queue.waiting;
    expect(await queue.acquire(requestOf("a", { leftMs: 10_000 }), never)).toMatchObject({ kind: "REFUSAL", code: "OVERLOADED", limit: "deadline", retryAfterMs: 30_000 });
    expect(queue.waiting).toBe(waiting);
    expect(queue.hold(requestOf("a").tenantId, 1, 10_000)).toMatchObject({ limit: "deadline" });
  });

  it("waits while its turn may still come in time", async () => {
    const queue = await busyQueue({ a: 60 }, 20, 1_000);
    expect(await isLate(queue, requestOf("a", { leftMs: 39_000 }))).toBe(false);
    expect(queue.hold(requestOf("a").tenantId, 1, 39_000)).toMatchObject({ kind: "PLACE" });
  });

  it("is never refused by a queue that has just begun", async () => {
    const queue = await busyQueue({ a: 60 }, 10, 1_000);
    expect(await isLate(queue, requestOf("a", { leftMs: 1 }))).toBe(false);
  });

  it("is not refused for what an earlier line was like", async () => {
    const queue = await busyQueue({ a: 20 }, 20, 10_000);
    expect(queue.waiting).toBe(0);
    for (let i = 0; i < 30; i += 1) void queue.acquire(requestOf("a"), never);
    expect(await isLate(queue, requestOf("a", { leftMs: 1_000 }))).toBe(false);
  });

  it("is counted by its own tenant's weight: the same line is short for a heavy one", async () => {
    const queue = await busyQueue({ flooder: 64, heavy: 20, light: 20 }, 20, 1_000);
    const late = (tenant: string, weight: number): Promise<boolean> => isLate(queue, requestOf(tenant, { weight, leftMs: 16_000 }));
    expect([await late("heavy", 16), await late("light", 1)]).toEqual([false, true]);
  });
});

function queueOf(tenants: readonly { readonly weight: number; readonly tokens: readonly number[] }[], turns: number): FlowQueue {
  const queue = new FlowQueue();
  tenants.forEach(({ weight, tokens }, i) => tokens.forEach((size) => queue.add({ flow: queue.flowOf(`t${i}`, weight), tokens: size, since: 0, grant: () => {} })));
  for (let i = 0; i < turns; i += 1) queue.next();
  return queue;
}

describe("whatever lines others make", () => {
  const lines = fc.array(fc.record({ weight: fc.integer({ min: 1, max: 16 }), tokens: fc.array(fc.integer({ min: 1, max: 2_000 }), { maxLength: 12 }) }), { minLength: 1, maxLength: 8 });
  const served = fc.integer({ min: 0, max: 40 });

  it("a call is never counted further back than it then stands", () => {
    fc.assert(
      fc.property(lines, served, fc.integer({ min: 1, max: 16 }), (tenants, turns, weight) => {
        const queue = queueOf(tenants, turns);
        const flow = queue.flowOf("t0", weight);
        const counted = queue.aheadOf(flow, Number.POSITIVE_INFINITY);
        let mine = false;
        queue.add({ flow, tokens: 1, since: 0, grant: () => void (mine = true) });
        let before = 0;
        for (let next = queue.next(); next !== undefined; next = queue.next()) {
          next.grant();
          if (mine) break;
          before += 1;
        }
        expect(counted).toBeLessThanOrEqual(before);
      }),
    );
  });

  it("a tenant that makes its line longer does not push another's call back", () => {
    fc.assert(
      fc.property(lines, served, fc.integer({ min: 1, max: 16 }), fc.integer({ min: 1, max: 200 }), (tenants, turns, weight, more) => {
        const queue = queueOf(tenants, turns);
        const mine = queue.flowOf("me", weight);
        for (let i = 0; i < 5; i += 1) queue.add({ flow: mine, tokens: 500, since: 0, grant: () => {} });
        const flooder = queue.flowOf("flooder", weight);
        // What the flooder is owed before the sixth call of an equal: more than 5 × 500 tokens.
        for (let i = 0; i < 6; i += 1) queue.add({ flow: flooder, tokens: 500, since: 0, grant: () => {} });
        const before = queue.aheadOf(mine, Number.POSITIVE_INFINITY);
        for (let i = 0; i < more; i += 1) queue.add({ flow: flooder, tokens: 2_000, since: 0, grant: () => {} });
        expect(queue.aheadOf(mine, Number.POSITIVE_INFINITY)).toBe(before);
      }),
    );
  });

  it("a tenant with nothing in line and nothing owed is not refused", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 6 }), fc.integer({ min: 1, max: 5_000 }), async (flooders, holdMs) => {
        const queue = await busyQueue({ first: 60, ...Object.fromEntries(flooders.map((calls, i) => [`f${i}`, calls])) }, 30, holdMs);
        expect(await isLate(queue, requestOf("quiet", { leftMs: 1 }))).toBe(false);
      }),
      { numRuns: 20 },
    );
  });
});
