import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { TenantId } from "../../src/kernel/ids.js";
import { BatchTurns } from "../../src/metering/batch-turns.js";
import { FairQueue } from "../../src/metering/fair-queue.js";
import { never, nextTurnOfLoop, requestOf, turnOf } from "./queue-fixtures.js";

const moved = "moved" as TenantId;
/** Longer than any test waits. */
const patient = 60_000;

describe("the batches of a move", () => {
  it("go at once while nobody waits, and hold a turn while they run", async () => {
    const queue = new FairQueue({ slots: 2 });
    let running = 0;
    expect(await new BatchTurns(queue, patient).run(moved, never, async () => ((running = queue.running), "done"))).toBe("done");
    expect([running, queue.running]).toEqual([1, 0]);
  });

  it("wait behind questions and ingestion", async () => {
    const queue = new FairQueue({ slots: 1 });
    const order: string[] = [];
    const held = await turnOf(queue, requestOf("a"));
    const batch = new BatchTurns(queue, patient).run(moved, never, async () => void order.push("batch"));
    const ingest = turnOf(queue, requestOf("a", { workClass: "INGEST" })).then((turn) => (order.push("ingest"), turn.release(1)));
    const question = turnOf(queue, requestOf("b")).then((turn) => (order.push("question"), turn.release(1)));
    await nextTurnOfLoop();
    held.release(1);
    await Promise.all([batch, ingest, question]);
    expect(order).toEqual(["question", "ingest", "batch"]);
  });

  it("go all the same when their turn does not come in time, and take no slot then", async () => {
    const queue = new FairQueue({ slots: 1 });
    await turnOf(queue, requestOf("a"));
    void queue.acquire(requestOf("b"), never);
    expect(await new BatchTurns(queue, 20).run(moved, never, async () => [queue.running, queue.waiting])).toEqual([1, 1]);
  });

  it("wait their time also when the line is full", async () => {
    const queue = new FairQueue({ slots: 1, waitingMax: 1 });
    await turnOf(queue, requestOf("a"));
    void queue.acquire(requestOf("b"), never);
    let gone = false;
    const batch = new BatchTurns(queue, 60).run(moved, never, async () => void (gone = true));
    await sleep(5);
    expect(gone).toBe(false);
    await batch;
    expect(gone).toBe(true);
  });

  it("do not run once the move has stopped", async () => {
    const queue = new FairQueue({ slots: 1 });
    await turnOf(queue, requestOf("a"));
    const stop = new AbortController();
    const batch = new BatchTurns(queue, patient).run(moved, stop.signal, async () => expect.unreachable());
    const reason = new TypeError("stopped");
    stop.abort(reason);
    await expect(batch).rejects.toBe(reason);
    expect(queue.waiting).toBe(0);
  });

  it("give their turn back when they fail", async () => {
    const queue = new FairQueue({ slots: 1 });
    await expect(new BatchTurns(queue, patient).run(moved, never, () => Promise.reject(new TypeError("no")))).rejects.toThrow("no");
    expect(queue.running).toBe(0);
  });
});
