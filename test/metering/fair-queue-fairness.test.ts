import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isRefusal } from "../../src/kernel/refusal.js";
import { FairQueue, type Turn } from "../../src/metering/fair-queue.js";
import { never, requestOf } from "./queue-fixtures.js";

/** Tenants that always have calls in line, at a queue whose calls end in any order and use any part of their bound. */
class Backlog {
  /** Weighted tokens of ended calls. */
  readonly served: number[];
  readonly #queue: FairQueue;
  readonly #running: { readonly turn: Turn; readonly tenant: number; readonly tokens: number }[] = [];

  constructor(readonly slots: number, private readonly weights: readonly number[], private readonly sizeOf: (tenant: number) => number, inLine: number) {
    this.#queue = new FairQueue({ slots });
    this.served = weights.map(() => 0);
    for (let i = 0; i < inLine; i += 1) weights.forEach((_, tenant) => this.#ask(tenant));
  }

  /** Ends one of the running calls; the tenant that had it asks again. */
  async end(which: number, usedPart: number): Promise<void> {
    await Promise.resolve();
    const [ended] = this.#running.splice(which % this.#running.length, 1);
    if (ended === undefined) return;
    const used = Math.ceil(ended.tokens * usedPart);
    this.served[ended.tenant]! += used / this.weights[ended.tenant]!;
    this.#ask(ended.tenant);
    ended.turn.release(used);
    await Promise.resolve();
  }

  get running(): number {
    return this.#queue.running;
  }

  #ask(tenant: number): void {
    const tokens = this.sizeOf(tenant);
    void this.#queue.acquire(requestOf(`t${tenant}`, { weight: this.weights[tenant]!, tokens }), never).then((turn) => {
      if (!isRefusal(turn)) this.#running.push({ turn, tenant, tokens });
    });
  }
}

const largest = 2_000;

describe("between tenants that always wait", () => {
  const weights = fc.array(fc.integer({ min: 1, max: 16 }), { minLength: 2, maxLength: 5 });
  const end = fc.record({ which: fc.nat(), size: fc.integer({ min: 1, max: largest }), usedPart: fc.constantFrom(0.1, 0.5, 1) });

  it("service parts by at most twice the larger of the largest call and the largest call in every slot", async () => {
    await fc.assert(
      fc.asyncProperty(weights, fc.integer({ min: 1, max: 8 }), fc.array(end, { minLength: 100, maxLength: 300 }), async (given, slots, ends) => {
        let at = 0;
        const backlog = new Backlog(slots, given, (tenant) => ends[(at + tenant) % ends.length]!.size, slots + 2);
        const gapMax = 2 * Math.max(largest, slots * largest);
        for (const { which, usedPart } of ends) {
          at += 1;
          await backlog.end(which, usedPart);
          expect(Math.max(...backlog.served) - Math.min(...backlog.served)).toBeLessThanOrEqual(gapMax);
          expect(backlog.running).toBe(slots);
        }
      }),
      { numRuns: 30 },
    );
  });

  it("tokens are shared by weight within 2 %, whatever the sizes of calls", async () => {
    const given = [1, 2, 4, 16];
    // One tenant with few large calls, others with many small ones.
    let seed = 7;
    const random = (): number => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
    const backlog = new Backlog(8, given, (tenant) => Math.ceil(random() * [largest, 200, 800, 1_000][tenant]!), 12);
    for (let i = 0; i < 25_000; i += 1) await backlog.end(Math.floor(random() * 8), random());
    const all = backlog.served.reduce((sum, service, i) => sum + service * given[i]!, 0);
    const errors = backlog.served.map((service) => Math.abs((service * 23) / all - 1));
    expect(Math.max(...errors)).toBeLessThanOrEqual(0.02);
  });
});

describe("a tenant that was idle", () => {
  it("has no claim on what it did not use: after its return it is served as any other, from the first turn on", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 10, max: 200 }), fc.constantFrom(1, 4), async (slots, before, weight) => {
        const queue = new FairQueue({ slots });
        const running: { turn: Turn; tenant: string }[] = [];
        const ask = (tenant: string): void =>
          void queue.acquire(requestOf(tenant, { weight }), never).then((turn) => {
            if (!isRefusal(turn)) running.push({ turn, tenant });
          });
        const endOne = async (): Promise<string> => {
          const ended = running.shift()!;
          ask(ended.tenant);
          ended.turn.release(100);
          await Promise.resolve();
          return ended.tenant;
        };
        for (let i = 0; i < slots + 20; i += 1) ask("busy");
        await Promise.resolve();
        for (let i = 0; i < before; i += 1) await endOne();
        for (let i = 0; i < slots + 20; i += 1) ask("late");
        const order: string[] = [];
        for (let i = 0; i < 40 + slots; i += 1) order.push(await endOne());
        const late = order.slice(slots).filter((tenant) => tenant === "late").length;
        expect(Math.abs(late - 20)).toBeLessThanOrEqual(slots);
      }),
      { numRuns: 30 },
    );
  });
});
