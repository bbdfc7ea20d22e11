import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { leaseMs, ShareLease, type SentBeat } from "../../src/metering/share-lease.js";
import { shareOut, type Claimant } from "../../src/metering/share-out.js";
import { permilleTotal, type ShareBeat, type ShareView } from "../../src/storage/control/pool-share-rows.js";
import { MemoryPoolShares } from "./memory-pool-shares.js";

/** One server: its own clock, its lease, its calls. A call of a lease that has lapsed meanwhile is the provider's load and nobody's part. */
class Server {
  readonly lease: ShareLease;
  running = 0;
  strays = 0;
  wants = 0;
  sent: SentBeat | undefined;
  /** Beats on their way to the store, which may land late or never. */
  readonly onTheWay: ShareBeat[] = [];
  #answer: ShareView | undefined;
  #local = 0;

  constructor(readonly id: string, private readonly slots: number, private readonly speed: number) {
    this.lease = new ShareLease(id, { slots, permille: permilleTotal }, () => this.#local);
  }

  pass(ms: number): void {
    this.#local += ms * this.speed;
    if (this.lease.until <= this.#local) [this.strays, this.running] = [this.strays + this.running, 0];
  }

  send(): void {
    if (this.sent !== undefined) return;
    this.sent = this.lease.begin(this.running + this.strays);
    const claims = [{ tenant: this.id, weight: 1, rank: 0, running: this.running + this.strays, waiting: this.wants }];
    this.onTheWay.push({ server: this.id, ...this.sent, claims, slotsTotal: this.slots, leaseMs });
  }

  /** The oldest of them lands, or another. */
  land(store: MemoryPoolShares, which: number): void {
    const [beat] = this.onTheWay.splice(which % Math.max(1, this.onTheWay.length), 1);
    if (beat === undefined) return;
    try {
      const view = store.land("pool", beat);
      if (this.sent?.seq === beat.seq) this.#answer = view;
    } catch {
      // Overtaken by a later one.
      if (this.sent?.seq === beat.seq) this.sent = undefined;
    }
  }

  hear(): void {
    if (this.sent !== undefined && this.#answer !== undefined) this.lease.answered(this.sent, this.#answer);
    if (this.#answer !== undefined) this.giveUp();
  }

  /** The server hears nothing, and gives the beat up. It may still land. */
  giveUp(): void {
    this.sent = undefined;
    this.#answer = undefined;
  }

  beat(store: MemoryPoolShares): void {
    if (this.sent !== undefined) return;
    this.send();
    this.land(store, this.onTheWay.length - 1);
    this.hear();
  }

  startAll(): void {
    this.running = Math.max(this.running, this.lease.slots - this.strays);
  }

  end(): void {
    if (this.strays > 0) this.strays -= 1;
    else if (this.running > 0) this.running -= 1;
  }
}

describe("parts of a pool that servers lease", () => {
  const server = fc.nat({ max: 2 });
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant("beat" as const), server }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("send" as const), server }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("land" as const), server, which: fc.nat({ max: 3 }) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("hear" as const), server }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("give up" as const), server }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("start all" as const), server }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("end" as const), server }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("want" as const), server, calls: fc.constantFrom(0, 1, 30) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("crash" as const), server }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.constantFrom(10, 300, 1_000, 1_700, 2_200) }) },
  );

  it("never add up to more than there is: whatever is lost, late or crashed, and with clocks a fifth too slow or too fast", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.array(fc.constantFrom(0.8, 1, 1.2), { minLength: 3, maxLength: 3 }), fc.array(step, { minLength: 40, maxLength: 200, size: "max" }), (slots, speeds, steps) => {
        let now = 0;
        let crashes = 0;
        const store = new MemoryPoolShares(() => now);
        const servers = speeds.map((speed, i) => new Server(`s${i}`, slots, speed));
        for (const taken of steps) {
          if (taken.kind === "pass") {
            now += taken.ms;
            for (const one of servers) one.pass(taken.ms);
          } else {
            const one = servers[taken.server]!;
            if (taken.kind === "beat") one.beat(store);
            else if (taken.kind === "send") one.send();
            else if (taken.kind === "land") one.land(store, taken.which);
            else if (taken.kind === "hear") one.hear();
            else if (taken.kind === "give up") one.giveUp();
            else if (taken.kind === "start all") one.startAll();
            else if (taken.kind === "end") one.end();
            else if (taken.kind === "want") one.wants = taken.calls;
            else {
              // Its calls die with it; what it has sent may still land.
              const again = new Server(`s${taken.server}.${(crashes += 1)}`, slots, speeds[taken.server]!);
              again.onTheWay.push(...one.onTheWay);
              servers[taken.server] = again;
            }
          }
          const total = (of: (one: Server) => number): number => servers.reduce((sum, one) => sum + of(one), 0);
          expect(store.living("pool").reduce((sum, part) => sum + part.slots, 0)).toBeLessThanOrEqual(slots);
          expect(store.living("pool").reduce((sum, part) => sum + part.permille, 0)).toBeLessThanOrEqual(permilleTotal);
          expect(total(({ lease }) => lease.slots)).toBeLessThanOrEqual(slots);
          expect(total(({ lease, running }) => Math.max(lease.slots, running))).toBeLessThanOrEqual(slots);
          expect(total(({ lease }) => (lease.slots === 0 ? 0 : lease.permille))).toBeLessThanOrEqual(permilleTotal);
        }
      }),
      { numRuns: 200 },
    );
  });

  it("are not used by a server that could not renew them", () => {
    let now = 0;
    const lease = new ShareLease("s", { slots: 8, permille: 0 }, () => now);
    const store = new MemoryPoolShares(() => now);
    const beat = lease.begin(0);
    expect(lease.slots).toBe(0);
    lease.answered(beat, store.land("pool", { server: "s", ...beat, claims: [], slotsTotal: 8, leaseMs }));
    expect(lease.slots).toBe(8);
    now = 2_001;
    expect(lease.slots).toBe(0);
  });
});

/** What each server has on average, over many turns. */
function meansOf(slots: number, claimants: readonly Claimant[]): Readonly<Record<string, number>> {
  const turns = 2_000;
  const sums = new Map<string, number>();
  for (let turn = 0; turn < turns; turn += 1) for (const [id, part] of shareOut(slots, claimants, turn)) sums.set(id, (sums.get(id) ?? 0) + part / turns);
  return Object.fromEntries(sums);
}

describe("the division of a pool", () => {
  const claim = fc.record({ tenant: fc.constantFrom("a", "b", "c", "d"), weight: fc.constantFrom(1, 4, 16), rank: fc.nat({ max: 2 }), need: fc.integer({ min: 0, max: 20 }) });
  const servers = fc.array(fc.array(claim, { maxLength: 6 }), { minLength: 1, maxLength: 6 }).map((all) => all.map((claims, i): Claimant => ({ id: `s${i}`, claims })));
  const total = fc.integer({ min: 1, max: 16 });

  it("gives out all there is, and the same to whoever computes it", () => {
    fc.assert(
      fc.property(servers, total, fc.nat(), (claimants, slots, turn) => {
        const parts = shareOut(slots, claimants, turn);
        expect([...parts.values()].reduce((sum, part) => sum + part, 0)).toBe(slots);
        expect(Math.min(...parts.values())).toBeGreaterThanOrEqual(0);
        expect(Object.fromEntries(shareOut(slots, claimants.toReversed(), turn))).toEqual(Object.fromEntries(parts));
      }),
    );
  });

  it("leaves no slot where it is not needed while it is needed elsewhere", () => {
    fc.assert(
      fc.property(servers, total, fc.nat({ max: 1_000 }), (claimants, slots, turn) => {
        const needs = new Map(claimants.map(({ id, claims }) => [id, claims.reduce((sum, { need }) => sum + need, 0)]));
        if ([...needs.values()].reduce((sum, need) => sum + need, 0) < slots) return;
        for (const [id, part] of shareOut(slots, claimants, turn)) expect(part).toBeLessThanOrEqual(needs.get(id)!);
      }),
    );
  });

  it("is by weight between tenants, and then by where a tenant's calls are", () => {
    const claimants = [
      { id: "s1", claims: [{ tenant: "a", weight: 4, rank: 0, need: 60 }, { tenant: "b", weight: 1, rank: 0, need: 5 }] },
      { id: "s2", claims: [{ tenant: "a", weight: 4, rank: 0, need: 20 }, { tenant: "c", weight: 3, rank: 0, need: 9 }] },
    ];
    // Of 8 slots: a 4 (three quarters of them on s1), b 1, c 3.
    expect(meansOf(8, claimants)).toEqual({ s1: expect.closeTo(4, 2), s2: expect.closeTo(4, 2) });
    expect(meansOf(4, claimants)).toEqual({ s1: expect.closeTo(2, 2), s2: expect.closeTo(2, 2) });
  });

  it("gives a quiet tenant what it needs beside a flood, and the flood the rest", () => {
    const flood = { id: "s1", claims: [{ tenant: "flooder", weight: 1, rank: 0, need: 500 }] };
    const quiet = { id: "s2", claims: [{ tenant: "quiet", weight: 1, rank: 0, need: 1 }] };
    expect(Object.fromEntries(shareOut(8, [flood, quiet], 3))).toEqual({ s1: 7, s2: 1 });
  });

  it("gives lower classes only what higher ones leave, on whichever server", () => {
    const ingest = { id: "s1", claims: [{ tenant: "a", weight: 16, rank: 1, need: 500 }] };
    const questions = { id: "s2", claims: [{ tenant: "b", weight: 1, rank: 0, need: 6 }] };
    expect(Object.fromEntries(shareOut(8, [ingest, questions], 3))).toEqual({ s1: 2, s2: 6 });
  });

  it("shuts no server out when there are fewer slots than servers: each has its turns, by weight, and soon", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(1, 2, 4), { minLength: 2, maxLength: 8 }), (weights) => {
        const claimants = weights.map((weight, i) => ({ id: `s${i}`, claims: [{ tenant: `t${i}`, weight, rank: 0, need: 64 }] }));
        const sum = weights.reduce((all, weight) => all + weight, 0);
        const mean = meansOf(1, claimants);
        weights.forEach((weight, i) => expect(mean[`s${i}`]).toBeCloseTo(weight / sum, 1));
        for (const { id } of claimants) {
          let without = 0;
          for (let turn = 0; turn < 300; turn += 1) {
            without = shareOut(1, claimants, turn).get(id) === 0 ? without + 1 : 0;
            expect(without).toBeLessThanOrEqual(3 * sum);
          }
        }
      }),
      { numRuns: 12 },
    );
  });
});
