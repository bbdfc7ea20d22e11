import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import type { Holder, HolderWork } from "../../src/insights/timed-request.js";
import type { TenantId } from "../../src/kernel/ids.js";
import { FairQueue, type Turn } from "../../src/metering/fair-queue.js";
import { holdingOf, SlotHolders, type Holding, type Look } from "../../src/metering/slot-holders.js";
import type { PoolShare, ShareUser } from "../../src/metering/pool-share.js";
import { requestOf, turnOf } from "./queue-fixtures.js";

const keyOf = ({ tenantId, work }: { readonly tenantId?: string; readonly work: string }): string => `${work} ${tenantId ?? ""}`;
const told = (holders: readonly Holder[]): Readonly<Record<string, number>> => Object.fromEntries(holders.map((holder) => [keyOf(holder), holder.ms]));
const sumOf = (holders: readonly Holder[]): number => holders.reduce((sum, { ms }) => sum + ms, 0);

type Step =
  | { readonly kind: "START"; readonly tenant: number; readonly work: HolderWork }
  | { readonly kind: "END"; readonly at: number }
  | { readonly kind: "LOOK" }
  | { readonly kind: "BOUND"; readonly slots: number; readonly isRated: boolean };

function stepsOf(tenants: number): fc.Arbitrary<readonly (Step & { readonly wait: number })[]> {
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({ kind: fc.constant("START" as const), tenant: fc.nat(tenants - 1), work: fc.constantFrom<HolderWork>("INTERACTIVE", "INGEST") }),
    fc.record({ kind: fc.constant("END" as const), at: fc.nat(40) }),
    fc.record({ kind: fc.constant("LOOK" as const) }),
    fc.record({ kind: fc.constant("BOUND" as const), slots: fc.nat(4), isRated: fc.boolean() }),
  );
  return fc.array(fc.tuple(step, fc.double({ min: 0, max: 100, noNaN: true })).map(([one, wait]) => ({ ...one, wait })), { maxLength: 120 });
}

/** At a moment of the test's own. */
function bounded(holders: SlotHolders, now: number, slots: number, isRated: boolean): void {
  const clock = vi.spyOn(performance, "now").mockReturnValue(now);
  holders.bounded(slots, isRated);
  clock.mockRestore();
}

/** The same by brute force: each stretch between two changes is shared out at once. */
function play(steps: readonly (Step & { readonly wait: number })[]): readonly { readonly ms: number; readonly found: readonly Holder[]; readonly expected: ReadonlyMap<string, number> }[] {
  let now = 0;
  let elsewhere = 0;
  let isRated = false;
  const holders = new SlotHolders(now);
  const running: { readonly held: number; readonly key: string }[] = [];
  const looks: { readonly since: number; readonly look: Look; readonly expected: Map<string, number> }[] = [];
  const holdings = new Map<string, Holding>();
  const holdingOfStep = ({ tenant, work }: { readonly tenant: number; readonly work: HolderWork }): Holding => {
    const key = `${work} ${tenant}`;
    const holding = holdings.get(key) ?? holdingOf(`t${tenant}` as TenantId, work);
    holdings.set(key, holding);
    return holding;
  };
  const pass = (ms: number): void => {
    const inUse = isRated ? 0 : running.length + elsewhere;
    for (const { expected } of looks) {
      const add = (key: string, part: number): void => void expected.set(key, (expected.get(key) ?? 0) + part);
      if (inUse === 0) add(isRated ? "RATES " : "OTHERS ", ms);
      else {
        for (const { key } of running) add(key, ms / inUse);
        add("ELSEWHERE ", (ms * elsewhere) / inUse);
      }
    }
    now += ms;
  };
  for (const step of steps) {
    pass(step.wait);
    if (step.kind === "START") {
      isRated = false;
      running.push({ held: holders.started(holdingOfStep(step), now), key: `${step.work} t${step.tenant}` });
    } else if (step.kind === "END") {
      const [ended] = running.splice(step.at % Math.max(1, running.length), 1);
      if (ended !== undefined) holders.ended(ended.held, now);
    } else if (step.kind === "LOOK") {
      looks.push({ since: now, look: holders.look(now), expected: new Map() });
    } else {
      [elsewhere, isRated] = [step.slots, step.isRated];
      bounded(holders, now, elsewhere, isRated);
    }
  }
  pass(7);
  return looks.map(({ since, look, expected }) => ({ ms: now - since, found: holders.since(look, now), expected }));
}

describe("who held the slots between two looks", () => {
  it("is what sharing each moment among the calls that ran in it gives, whatever started and ended", () => {
    fc.assert(
      fc.property(stepsOf(6), (steps) => {
        for (const { ms: all, found, expected } of play(steps)) {
          // Who held less than a hundredth is told with the others.
          const small = [...expected].filter(([key, ms]) => ms < 0.0101 * all && !key.endsWith(" "));
          for (const [key, ms] of expected) {
            if (key !== "OTHERS " && !small.some(([name]) => name === key)) expect(Math.abs((told(found)[key] ?? 0) - ms)).toBeLessThan(1e-3);
          }
          const others = (expected.get("OTHERS ") ?? 0) + small.reduce((sum, [key, ms]) => sum + (key in told(found) ? 0 : ms), 0);
          expect(Math.abs((told(found)["OTHERS "] ?? 0) - others)).toBeLessThan(1e-3);
          for (const holder of found) expect(holder.work === "OTHERS" || expected.has(keyOf(holder))).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("adds up to the time between them, and nobody has more than was theirs, when there are more tenants than names", () => {
    fc.assert(
      fc.property(stepsOf(40), (steps) => {
        for (const { ms, found, expected } of play(steps)) {
          expect(Math.abs(sumOf(found) - ms)).toBeLessThan(0.01);
          for (const holder of found) if (holder.tenantId !== undefined) expect(holder.ms).toBeLessThanOrEqual((expected.get(keyOf(holder)) ?? 0) + 1e-3);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("takes nothing from before the look for something, when a holder gives its place to another", () => {
    const holders = new SlotHolders(0);
    for (let at = 0; at < 30; at += 1) holders.ended(holders.started(holdingOf(`t${at}` as TenantId, "INTERACTIVE"), 10 * at), 10 * at + 10);
    const look = holders.look(300);
    holders.ended(holders.started(holdingOf("late" as TenantId, "INTERACTIVE"), 300), 310);
    expect(holders.since(look, 310)).toEqual([{ tenantId: "late", work: "INTERACTIVE", ms: 10 }]);
  });

  it("names the one that floods among hundreds that come and go", () => {
    const holders = new SlotHolders(0);
    const look = holders.look(0);
    const flooder = holdingOf("flooder" as TenantId, "INTERACTIVE");
    const flood = [0, 1].map(() => holders.started(flooder, 0));
    for (let at = 0; at < 500; at += 1) {
      const small = holders.started(holdingOf(`small-${at}` as TenantId, "INTERACTIVE"), at);
      // Its calls end and begin anew, as a flood's do: one of them always runs.
      const ended = flood.shift();
      if (ended !== undefined) holders.ended(ended, at);
      flood.push(holders.started(flooder, at));
      holders.ended(small, at + 1);
    }
    const found = holders.since(look, 500);
    expect(found.length).toBeLessThanOrEqual(11);
    expect(told(found)["INTERACTIVE flooder"]).toBeCloseTo((500 * 2) / 3, 6);
    expect(sumOf(found)).toBeCloseTo(500, 6);
  });
});

/** Four slots of which other servers have three. */
class LeasedQuarter implements PoolShare {
  slots = 1;
  readonly pauseMs = 0;
  user: ShareUser | undefined;
  started(): void {}
  ended(): void {}
  wanted(): void {}
  attach(user: ShareUser): void {
    this.user = user;
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe("a turn", () => {
  it("that comes at once was held up by nobody", async () => {
    const turn = await turnOf(new FairQueue({ slots: 1 }), requestOf("a"));
    expect([turn.waitedMs, turn.heldBy]).toEqual([0, []]);
  });

  it("says whose work of which class it waited for, its own tenant's too, and that adds up to its wait", async () => {
    const queue = new FairQueue({ slots: 2, backgroundSlots: 2 });
    const ingest = await turnOf(queue, requestOf("c", { workClass: "INGEST" }));
    const own = await turnOf(queue, requestOf("a"));
    const waiting = turnOf(queue, requestOf("a"));
    await pause(10);
    own.release(1);
    const turn = await waiting;
    expect(sumOf(turn.heldBy)).toBeCloseTo(turn.waitedMs, 6);
    // Half each, but for the moment in which the slot was handed on.
    expect(Object.keys(told(turn.heldBy))).toEqual(["INGEST c", "INTERACTIVE a"]);
    for (const { ms } of turn.heldBy) expect(ms).toBeGreaterThan(0.3 * turn.waitedMs);
    ingest.release(1);
  });

  it("counts slots that other servers have leased as theirs", async () => {
    const queue = new FairQueue({ slots: 4 }, new LeasedQuarter());
    const first = await turnOf(queue, requestOf("b"));
    const leading = turnOf(queue, requestOf("a"));
    const waiting = turnOf(queue, requestOf("d"));
    await pause(5);
    first.release(1);
    (await leading).release(1);
    const turn = await waiting;
    expect(told(turn.heldBy)["ELSEWHERE "]).toBeGreaterThan(0.6 * turn.waitedMs);
    expect(sumOf(turn.heldBy)).toBeCloseTo(turn.waitedMs, 6);
  });

  it("that watches others is told who ran beside it, and not itself", async () => {
    const queue = new FairQueue({ slots: 4 });
    const batches: Turn[] = [];
    for (let at = 0; at < 3; at += 1) batches.push(await turnOf(queue, requestOf("c", { workClass: "INGEST" })));
    const turn = await turnOf(queue, requestOf("a", { watchesOthers: true }));
    await pause(8);
    const beside = turn.heldBeside();
    expect(beside.map(keyOf)).toEqual(["INGEST c"]);
    expect(sumOf(beside)).toBeGreaterThan(4);
    turn.release(1);
    const alone = await turnOf(new FairQueue({ slots: 4 }), requestOf("a", { watchesOthers: true }));
    await pause(2);
    expect(alone.heldBeside()).toEqual([]);
  });
});
