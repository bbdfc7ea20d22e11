import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Deadline } from "../../src/kernel/deadline.js";
import { BulkheadError, upstreamFailed } from "../../src/kernel/errors.js";
import { isRefusal, refusal, type Refusal } from "../../src/kernel/refusal.js";
import type { MeteredCall } from "../../src/metering/door.js";
import { FairQueue } from "../../src/metering/fair-queue.js";
import { MeteredDoor } from "../../src/metering/metered.js";
import { TurnQueues } from "../../src/metering/turn-queues.js";
import { PendingRows } from "../../src/metering/pending-rows.js";
import { noBudgets, type Budgets } from "../../src/quotas/budgets.js";
import { openMemoryCounterStore } from "../../src/quotas/memory-counter-store.js";
import type { QuotaView, Quotas, TokenReservation } from "../../src/quotas/quotas.js";
import { TenantQuotas } from "../../src/quotas/tenant-quotas.js";
import type { TenantContext } from "../../src/tenancy/tenant-context.js";
import { contextOf, MemoryLedger, recorderOf, recordingTelemetry } from "./spend-fixtures.js";

const call: MeteredCall = { kind: "COMPLETION", operation: "ask", model: "embedded-extractive", path: "ask", callNumber: 0, reserveTokens: 500, workClass: "INTERACTIVE" };

interface Bench {
  readonly door: MeteredDoor;
  readonly ledger: MemoryLedger;
  readonly queue: FairQueue;
  readonly quotas: Quotas;
  readonly context: TenantContext;
  readonly alarms: string[];
  /** What each reservation was settled with. */
  readonly settlements: number[];
}

function open(options: { tokensPerMinute?: number; slots?: number; waitingPerTenantMax?: number; budgets?: Budgets } = {}): Bench {
  const telemetry = recordingTelemetry();
  const settlements: number[] = [];
  const quotas = countingQuotas(new TenantQuotas(openMemoryCounterStore(), telemetry), settlements);
  const queue = new FairQueue({ slots: options.slots ?? 8, ...(options.waitingPerTenantMax === undefined ? {} : { waitingPerTenantMax: options.waitingPerTenantMax }) });
  const ledger = new MemoryLedger();
  const door = new MeteredDoor(quotas, options.budgets ?? noBudgets, new TurnQueues(queue, new Map([["default", queue]]), () => "default"), recorderOf(ledger, telemetry), telemetry);
  return { door, ledger, queue, quotas, settlements, alarms: telemetry.alarms, context: contextOf({ policy: { tokensPerMinute: options.tokensPerMinute ?? 10_000 } }) };
}

/** Passes on to the real quotas and notes every call of `settle`, so that a second one is seen and not just harmless. */
function countingQuotas(quotas: Quotas, settlements: number[]): Quotas {
  return {
    admitRequests: (context, price) => quotas.admitRequests(context, price),
    view: (context): Promise<QuotaView> => quotas.view(context),
    async reserveTokens(context, tokens): Promise<TokenReservation | Refusal> {
      const reserved = await quotas.reserveTokens(context, tokens);
      if (isRefusal(reserved)) return reserved;
      return {
        kind: "RESERVATION",
        tokens: reserved.tokens,
        extend: (more) => reserved.extend(more),
        settle: (used) => {
          settlements.push(used);
          return reserved.settle(used);
        },
      };
    },
  };
}

async function usedBy(bench: Bench): Promise<number> {
  const { limit, remaining } = (await bench.quotas.view(bench.context)).tokens;
  return limit - remaining;
}

type Work = { value: number; usage: typeof usage };

/** Work that ends when the test says so. */
function heldWork(): { promise: Promise<Work>; resolve: (result: Work) => void } {
  const held: { resolve?: (result: Work) => void } = {};
  const promise = new Promise<Work>((resolve) => Object.assign(held, { resolve }));
  return { promise, resolve: (result) => held.resolve?.(result) };
}

const usage = { promptTokens: 100, completionTokens: 20 };
const deadline = () => Deadline.after(5_000);

describe("the door settles exactly once", () => {
  it("on success, with what was used", async () => {
    const bench = open();
    expect(await bench.door.run(bench.context, deadline(), call, async () => ({ value: "done", usage }))).toBe("done");
    expect(bench.settlements).toEqual([120]);
    expect(await usedBy(bench)).toBe(120);
    expect(bench.ledger.rows).toMatchObject([{ promptTokens: 100, completionTokens: 20, outcome: "OK", costMicroUsd: 27, path: "ask", kind: "COMPLETION" }]);
    expect(bench.queue.running).toBe(0);
  });

  it("on a failure of the model, with what it had reported", async () => {
    const bench = open();
    const failing = bench.door.run(bench.context, deadline(), call, async (_signal, report) => {
      report({ promptTokens: 100, completionTokens: 3 });
      throw upstreamFailed("The model broke");
    });
    await expect(failing).rejects.toMatchObject({ code: "UPSTREAM_FAILED" });
    expect(bench.settlements).toEqual([103]);
    expect(bench.ledger.rows).toMatchObject([{ outcome: "FAILED", completionTokens: 3 }]);
    expect(bench.queue.running).toBe(0);
  });

  it("on an abort, also when the work ignores its signal", async () => {
    const bench = open();
    const limit = Deadline.after(20);
    const hanging = bench.door.run(bench.context, limit, call, (_signal, report) => {
      report({ promptTokens: 100, completionTokens: 0 });
      return new Promise(() => {});
    });
    await expect(hanging).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
    expect(bench.settlements).toEqual([100]);
    expect(bench.ledger.rows).toMatchObject([{ outcome: "ABORTED", promptTokens: 100 }]);
    expect(bench.queue.running).toBe(0);
  });

  it("on a refusal of the quota: nothing is taken, nothing is written", async () => {
    const bench = open({ tokensPerMinute: 1_000 });
    await bench.door.run(bench.context, deadline(), { ...call, reserveTokens: 900 }, async () => ({ value: 1, usage: { promptTokens: 600, completionTokens: 0 } }));
    const refused = await bench.door.run(bench.context, deadline(), call, async () => expect.unreachable());
    expect(refused).toMatchObject({ code: "RATE_LIMITED", limit: "tokensPerMinute", retryAfterMs: expect.any(Number) });
    expect(await usedBy(bench)).toBe(600);
    expect(bench.ledger.rows).toHaveLength(1);
  });

  it("on a refusal of the queue: the reservation is given back whole", async () => {
    const bench = open({ slots: 1, waitingPerTenantMax: 0 });
    const { promise: held, resolve: release } = heldWork();
    const running = bench.door.run(bench.context, deadline(), call, () => held);
    await new Promise((resolve) => setImmediate(resolve));
    expect(await bench.door.run(bench.context, deadline(), { ...call, path: "other" }, async () => expect.unreachable())).toMatchObject({ code: "OVERLOADED" });
    release({ value: 1, usage });
    await running;
    expect(bench.settlements).toEqual([0, 120]);
    expect(await usedBy(bench)).toBe(120);
  });

  it("when the caller goes away in the queue", async () => {
    const bench = open({ slots: 1 });
    const { promise: held, resolve: release } = heldWork();
    const running = bench.door.run(bench.context, deadline(), call, () => held);
    const limit = deadline();
    const waiting = bench.door.run(bench.context, limit, { ...call, path: "other" }, async () => expect.unreachable());
    await new Promise((resolve) => setImmediate(resolve));
    limit.abort(new BulkheadError("DEADLINE_EXCEEDED", "Gone"));
    await expect(waiting).rejects.toMatchObject({ message: "Gone" });
    release({ value: 1, usage });
    await running;
    expect(bench.settlements).toEqual([0, 120]);
    expect(bench.ledger.rows).toHaveLength(1);
  });

  it("and enters nobody whose time is up already", async () => {
    const bench = open();
    const limit = deadline();
    limit.abort(new BulkheadError("DEADLINE_EXCEEDED", "Gone"));
    await expect(bench.door.run(bench.context, limit, call, async () => expect.unreachable())).rejects.toMatchObject({ message: "Gone" });
    expect(bench.settlements).toEqual([]);
  });
});

async function* words(count: number, report: (usage: { promptTokens: number; completionTokens: number }) => void): AsyncGenerator<number> {
  for (let i = 1; i <= count; i += 1) {
    report({ promptTokens: 100, completionTokens: i });
    yield i;
  }
}

describe("the streaming twin", () => {
  it.each([0, 1, 2, 3, 4, 5])("charges what was delivered when the client leaves after %i parts", async (parts) => {
    const bench = open();
    const stream = await bench.door.stream(bench.context, deadline(), call, (_signal, report) => words(5, report));
    if (isRefusal(stream)) return expect.unreachable();
    for (let i = 0; i < parts; i += 1) await stream.next();
    await stream.return?.();
    expect(bench.settlements).toEqual([parts === 0 ? 0 : 100 + parts]);
    expect(bench.ledger.rows).toMatchObject([{ outcome: "ABORTED", completionTokens: parts }]);
    expect(bench.queue.running).toBe(0);
  });

  it("gives its turn back when nobody ever reads it and the deadline passes", async () => {
    const bench = open();
    const limit = Deadline.after(10);
    const stream = await bench.door.stream(bench.context, limit, call, (_signal, report) => words(5, report));
    if (isRefusal(stream)) return expect.unreachable();
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(bench.queue.running).toBe(0);
    expect(bench.settlements).toEqual([0]);
    await expect(stream.next()).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
  });

  it("settles once whatever the order of reading, failing, leaving and passing of time", async () => {
    const step = fc.constantFrom("next" as const, "return" as const, "abort" as const, "fail" as const);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
        const bench = open();
        const limit = deadline();
        let failsNow = false;
        const stream = await bench.door.stream(bench.context, limit, call, async function* (_signal, report) {
          for (let i = 1; i <= 4; i += 1) {
            if (failsNow) throw upstreamFailed("The model broke");
            report({ promptTokens: 10, completionTokens: i });
            yield i;
          }
        });
        if (isRefusal(stream)) return expect.unreachable();
        const calls: Promise<unknown>[] = [];
        for (const action of steps) {
          if (action === "next") calls.push(stream.next());
          else if (action === "return") calls.push(stream.return?.() ?? Promise.resolve());
          else if (action === "abort") limit.abort(new BulkheadError("DEADLINE_EXCEEDED", "Gone"));
          else failsNow = true;
        }
        await Promise.allSettled(calls);
        await stream.return?.();
        expect(bench.settlements).toHaveLength(1);
        expect(bench.ledger.rows).toHaveLength(1);
        expect(bench.queue.running).toBe(0);
        const [row] = bench.ledger.rows;
        expect(bench.settlements[0]).toBe((row?.promptTokens ?? 0) + (row?.completionTokens ?? 0));
        expect(await usedBy(bench)).toBe(bench.settlements[0]);
        limit.dispose();
      }),
      { numRuns: 150 },
    );
  });
});

describe("the door under load", () => {
  it("never lets 50 concurrent callers reserve more than the limit", async () => {
    const bench = open({ tokensPerMinute: 2_000 });
    let together = 0;
    let most = 0;
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        bench.door.run(bench.context, deadline(), { ...call, callNumber: i }, async () => {
          together += 1;
          most = Math.max(most, together);
          await new Promise((resolve) => setTimeout(resolve, 5));
          together -= 1;
          return { value: true, usage: { promptTokens: 500, completionTokens: 0 } };
        }),
      ),
    );
    expect(results.filter((result) => result === true)).toHaveLength(4);
    expect(most).toBeLessThanOrEqual(4);
    expect(await usedBy(bench)).toBe(2_000);
  });

  it("charges fifteen aliases of one field fifteen times", async () => {
    const bench = open();
    await Promise.all(Array.from({ length: 15 }, (_, i) => bench.door.run(bench.context, deadline(), { ...call, path: `a${i}`, reserveTokens: 200 }, async () => ({ value: i, usage }))));
    expect(bench.ledger.rows).toHaveLength(15);
    expect(await usedBy(bench)).toBe(15 * 120);
  });

  it("reserves for an embedding as for a completion", async () => {
    const bench = open({ tokensPerMinute: 100 });
    const embedding: MeteredCall = { ...call, kind: "EMBEDDING", model: "embedded-use-lite", reserveTokens: 80 };
    await bench.door.run(bench.context, deadline(), embedding, async () => ({ value: 1, usage: { promptTokens: 80, completionTokens: 0 } }));
    expect(await bench.door.run(bench.context, deadline(), { ...embedding, callNumber: 1 }, async () => expect.unreachable())).toMatchObject({ code: "RATE_LIMITED" });
  });
});

describe("an envelope", () => {
  it("is one reservation for several calls, and gives back what none used", async () => {
    const bench = open();
    const envelope = await bench.door.open(bench.context, deadline(), 3_000, []);
    if (isRefusal(envelope)) return expect.unreachable();
    expect(await usedBy(bench)).toBe(3_000);
    await bench.door.run(bench.context, deadline(), { ...call, envelope }, async () => ({ value: 1, usage }));
    await bench.door.run(bench.context, deadline(), { ...call, envelope, callNumber: 1 }, async () => ({ value: 1, usage }));
    await envelope.settle();
    expect(bench.settlements).toEqual([240]);
    expect(await usedBy(bench)).toBe(240);
  });

  it("refuses before the first call is made", async () => {
    const bench = open({ tokensPerMinute: 100 });
    await bench.quotas.reserveTokens(bench.context, 50);
    expect(await bench.door.open(bench.context, deadline(), 60, [])).toEqual(refusal("RATE_LIMITED", expect.any(String) as string, { limit: "tokensPerMinute", retryAfterMs: expect.any(Number) as number }));
  });
});

describe("the ledger row", () => {
  it("is tried again, and waited for", async () => {
    const bench = open();
    bench.ledger.failures = 2;
    await bench.door.run(bench.context, deadline(), call, async () => ({ value: 1, usage }));
    expect(bench.ledger.rows).toHaveLength(1);
    expect(bench.alarms).toEqual([]);
  });

  it("raises an alarm when it cannot be written, and the answer is delivered", async () => {
    const bench = open();
    bench.ledger.failures = 3;
    expect(await bench.door.run(bench.context, deadline(), call, async () => ({ value: "done", usage }))).toBe("done");
    expect(bench.alarms).toEqual(["usage_ledger_write_failed"]);
  });

  it("may be written beside what follows, and is there once it was waited for", async () => {
    const bench = open();
    bench.ledger.failures = 1;
    const rows = new PendingRows();
    await bench.door.run(bench.context, deadline(), { ...call, rows }, async () => ({ value: 1, usage }));
    expect(bench.ledger.rows).toHaveLength(0);
    await rows.written();
    expect(bench.ledger.rows).toHaveLength(1);
  });

  it("says the same cost to the caller and to the ledger", async () => {
    const bench = open();
    const told: number[] = [];
    await bench.door.run(bench.context, deadline(), { ...call, onSettled: ({ costMicroUsd }) => void told.push(costMicroUsd) }, async () => ({ value: 1, usage }));
    expect(told).toEqual([bench.ledger.rows[0]?.costMicroUsd]);
  });
});
