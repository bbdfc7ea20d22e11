import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Deadline } from "../../src/kernel/deadline.js";
import { isRefusal, refusal, type Refusal } from "../../src/kernel/refusal.js";
import type { BoundedCall, MeteredCall } from "../../src/metering/door.js";
import { Envelope } from "../../src/metering/envelope.js";
import { FairQueue, type Place, type Turn } from "../../src/metering/fair-queue.js";
import { MeteredDoor } from "../../src/metering/metered.js";
import { TurnQueues } from "../../src/metering/turn-queues.js";
import { noBudgets, type Budgets } from "../../src/quotas/budgets.js";
import { openMemoryCounterStore } from "../../src/quotas/memory-counter-store.js";
import { TenantQuotas } from "../../src/quotas/tenant-quotas.js";
import { never, requestOf, turnOf } from "./queue-fixtures.js";
import { contextOf, MemoryLedger, recorderOf, recordingTelemetry } from "./spend-fixtures.js";

const { tenantId } = requestOf("a");
const deadline = (): Deadline => Deadline.after(5_000);
const full = { kind: "REFUSAL", code: "OVERLOADED", limit: "waitingCallsPerTenant" };

function held(queue: FairQueue, tenant = "a"): Place {
  const place = queue.hold(requestOf(tenant).tenantId, 1, 60_000);
  if (isRefusal(place)) throw new TypeError(`Refused: ${place.limit}`);
  return place;
}

describe("a place in line for a question that is being prepared", () => {
  it("is counted: no more are let through to their work than the line has places", async () => {
    const queue = new FairQueue({ slots: 1, waitingPerTenantMax: 3 });
    await turnOf(queue, requestOf("a"));
    void queue.acquire(requestOf("a"), never);
    const places = [held(queue), held(queue)];
    expect(queue.hold(tenantId, 1, 60_000)).toMatchObject(full);
    expect(held(queue, "b")).toMatchObject({ kind: "PLACE" });
    places[0]?.leave();
    expect(held(queue)).toMatchObject({ kind: "PLACE" });
  });

  it("is counted against the whole line as well", async () => {
    const queue = new FairQueue({ slots: 1, waitingMax: 2 });
    await turnOf(queue, requestOf("a"));
    held(queue, "b");
    held(queue, "c");
    expect(queue.hold(tenantId, 1, 60_000)).toMatchObject({ code: "OVERLOADED", limit: "waitingCalls" });
  });

  it("counts for nothing while slots are free for all who hold one", () => {
    const queue = new FairQueue({ slots: 4, waitingPerTenantMax: 1 });
    for (let i = 0; i < 4; i += 1) held(queue);
    expect(queue.hold(tenantId, 1, 60_000)).toMatchObject(full);
  });

  it("is given back once, however often it is left", async () => {
    const queue = new FairQueue({ slots: 1, waitingPerTenantMax: 2 });
    await turnOf(queue, requestOf("a"));
    const place = held(queue);
    held(queue);
    expect([place.leave(), place.leave()]).toEqual([true, false]);
    held(queue);
    expect(queue.hold(tenantId, 1, 60_000)).toMatchObject(full);
  });

  it("holds although others have taken the slots that were free when it was given", async () => {
    const queue = new FairQueue({ slots: 2, waitingPerTenantMax: 1 });
    const places = [held(queue), held(queue)];
    const others = [await turnOf(queue, requestOf("b")), await turnOf(queue, requestOf("b"))];
    const waiting = places.map((place) => turnOf(queue, requestOf("a", { place })));
    for (const turn of others) turn.release(1);
    expect(await Promise.all(waiting)).toHaveLength(2);
  });

  it("whatever comes, waits and ends between: who holds one is never refused for a full line", async () => {
    const steps = fc.array(fc.constantFrom("hold", "come", "leave", "end", "others"), { maxLength: 80 });
    await fc.assert(
      fc.asyncProperty(steps, fc.integer({ min: 1, max: 3 }), async (path, waitingPerTenantMax) => {
        const queue = new FairQueue({ slots: 2, waitingPerTenantMax });
        const [places, turns, refused]: [Place[], Turn[], Refusal[]] = [[], [], []];
        const come = async (place?: Place): Promise<void> => {
          const turn = await queue.acquire(requestOf("a", place === undefined ? {} : { place }), never);
          if (!isRefusal(turn)) turns.push(turn);
          else if (place !== undefined) refused.push(turn);
        };
        for (const step of path) {
          if (step === "hold") {
            const place = queue.hold(tenantId, 1, 60_000);
            if (!isRefusal(place)) places.push(place);
          } else if (step === "come" && places.length > 0) void come(places.shift());
          else if (step === "others") void come();
          else if (step === "leave") places.shift()?.leave();
          else if (step === "end") turns.shift()?.release(1);
          await Promise.resolve();
          await Promise.resolve();
          // Beyond the bound only by those who were let in while slots were free for them.
          expect(queue.waiting + places.length).toBeLessThanOrEqual(waitingPerTenantMax + 2);
        }
        expect(refused).toEqual([]);
      }),
    );
  });
});

describe("the door keeps a place for the completion of an envelope", () => {
  const calls: readonly BoundedCall[] = [{ kind: "COMPLETION", model: "embedded-extractive", promptTokens: 10, completionTokens: 10 }];
  const call: MeteredCall = { kind: "COMPLETION", operation: "ask", model: "embedded-extractive", path: "ask", callNumber: 0, reserveTokens: 20, workClass: "INTERACTIVE" };
  const context = contextOf({ policy: { tokensPerMinute: 1_000 } });

  async function openFull(budgets: Budgets = noBudgets): Promise<{ door: MeteredDoor; running: Turn; open: () => Promise<Envelope | Refusal> }> {
    const telemetry = recordingTelemetry();
    const queue = new FairQueue({ slots: 1, waitingPerTenantMax: 1 });
    const door = new MeteredDoor(new TenantQuotas(openMemoryCounterStore(), telemetry), budgets, new TurnQueues(new FairQueue({ slots: 1 }), new Map([["default", queue]]), () => "default"), recorderOf(new MemoryLedger(), telemetry), telemetry);
    return { door, running: await turnOf(queue, requestOf(context.tenantId)), open: () => door.open(context, deadline(), 100, calls) };
  }

  it("so that a second question is refused before its work, not after", async () => {
    const { door, running, open } = await openFull();
    const first = await open();
    expect(await open()).toMatchObject(full);
    if (isRefusal(first)) throw new TypeError("Refused");
    const answered = door.run(context, deadline(), { ...call, envelope: first }, async () => ({ value: "answer", usage: { promptTokens: 1, completionTokens: 1 } }));
    await Promise.resolve();
    running.release(1);
    expect(await answered).toBe("answer");
    await first.settle();
    expect(await open()).toBeInstanceOf(Envelope);
  });

  it("and lets it go when the envelope is settled without one, and when the money is refused", async () => {
    const { open } = await openFull();
    const first = await open();
    if (isRefusal(first)) throw new TypeError("Refused");
    await first.settle();
    expect(await open()).toBeInstanceOf(Envelope);

    let isPoor = true;
    const poor = await openFull({ ...noBudgets, reserve: async (...given) => (isPoor ? refusal("BUDGET_EXCEEDED", "No money is left") : noBudgets.reserve(...given)) });
    expect(await poor.open()).toMatchObject({ code: "BUDGET_EXCEEDED" });
    isPoor = false;
    expect(await poor.open()).toBeInstanceOf(Envelope);
  });

  it("and when a limit cannot be read", async () => {
    let isDown = true;
    const { open } = await openFull({ ...noBudgets, reserve: async (...given) => (isDown ? Promise.reject(new TypeError("down")) : noBudgets.reserve(...given)) });
    await expect(open()).rejects.toThrow("down");
    isDown = false;
    expect(await open()).toBeInstanceOf(Envelope);
  });
});
