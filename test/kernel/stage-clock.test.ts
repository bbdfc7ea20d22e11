import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { StageClock, stageNames, type StageName } from "../../src/kernel/stage-clock.js";

const msOf = (clock: StageClock): Readonly<Record<string, number>> => Object.fromEntries(clock.read().stages.map(({ name, ms }) => [name, Math.round(1_000 * ms) / 1_000]));
const sumOf = (clock: StageClock): number => clock.read().stages.reduce((sum, { ms }) => sum + ms, 0);

describe("the clock of a request", () => {
  let now = 0;
  beforeEach(() => {
    now = 0;
    vi.spyOn(performance, "now").mockImplementation(() => now);
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it("gives the time of each stage to it", () => {
    const clock = new StageClock("receive");
    now = 5;
    clock.enter("auth");
    now = 7;
    clock.enter("execute");
    now = 17;
    clock.end();
    now = 30;
    expect(msOf(clock)).toEqual({ receive: 5, auth: 2, execute: 10 });
    expect(clock.read().totalMs).toBe(17);
  });

  it("shares time equally among parts that run beside each other, and takes none for itself", () => {
    const clock = new StageClock("execute");
    now = 1;
    const one = clock.part("embed");
    now = 11;
    const other = clock.part("search");
    now = 31;
    one.end();
    now = 36;
    other.end();
    now = 40;
    expect(msOf(clock)).toEqual({ execute: 5, embed: 20, search: 15 });
    expect(msOf(one)).toEqual({ embed: 30 });
  });

  it("goes back to the stage before when a wait inside it ends, also when that fails", async () => {
    const clock = new StageClock("embed");
    const waiting = clock.time("queue_wait", async () => {
      now += 8;
      return Promise.reject(new TypeError("gone"));
    });
    await expect(waiting).rejects.toThrow("gone");
    now += 3;
    expect(msOf(clock)).toEqual({ queue_wait: 8, embed: 3 });
  });

  it("counts for everyone who waits for the same work, from when they came until they leave", () => {
    const answer = new StageClock("first_token");
    const early = new StageClock("watch");
    const late = new StageClock("watch");
    answer.joins(early);
    now = 10;
    const leave = answer.joins(late);
    now = 15;
    leave();
    answer.enter("stream");
    now = 20;
    answer.end();
    now = 26;
    expect(msOf(early)).toEqual({ first_token: 15, stream: 5, watch: 6 });
    expect(msOf(late)).toEqual({ first_token: 5, watch: 21 });
  });

  it("does not change after its end, whatever its parts do", () => {
    const clock = new StageClock("execute");
    const part = clock.part("embed");
    now = 4;
    clock.end();
    now = 9;
    part.enter("search");
    part.end();
    clock.enter("send");
    expect(msOf(clock)).toEqual({ embed: 4 });
  });

  it("adds up to its total, whatever enters, joins, leaves and ends in any order", () => {
    const step = fc.record({ wait: fc.double({ min: 0, max: 50, noNaN: true }), at: fc.nat(7), kind: fc.constantFrom("ENTER", "PART", "END", "JOIN", "LEAVE"), stage: fc.constantFrom<StageName>(...stageNames) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        now = 0;
        const root = new StageClock("receive");
        const clocks = [root];
        const leaves: (() => void)[] = [];
        for (const { wait, at, kind, stage } of steps) {
          now += wait;
          const clock = clocks[at % clocks.length] as StageClock;
          if (kind === "ENTER") clock.enter(stage);
          else if (kind === "PART" && clocks.length < 8) clocks.push(clock.part(stage));
          else if (kind === "END" && clock !== root) clock.end();
          // A listener begins after what it listens to: clocks never wait for each other in a circle.
          else if (kind === "JOIN" && clock !== root) leaves.push(clock.joins(root));
          else if (kind === "LEAVE") leaves.pop()?.();
        }
        now += 1;
        root.end();
        for (const clock of clocks) expect(Math.abs(sumOf(clock) - clock.read().totalMs)).toBeLessThan(1e-6);
        expect(root.read().totalMs).toBeCloseTo(now, 9);
      }),
    );
  });
});
