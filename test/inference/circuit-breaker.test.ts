import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CircuitBreaker, type CircuitState } from "../../src/inference/circuit-breaker.js";

function open() {
  const clock = { ms: 0 };
  const changes: CircuitState[] = [];
  const breaker = new CircuitBreaker((state) => changes.push(state), () => clock.ms, () => 0.5);
  const fail = (times: number): void => {
    for (let n = 0; n < times; n += 1) breaker.fail(breaker.begin());
  };
  return { breaker, clock, changes, fail };
}

describe("a circuit", () => {
  it("opens after five failures in a row, and a success between them starts the row anew", () => {
    const { breaker, fail } = open();
    fail(4);
    breaker.succeed(breaker.begin());
    fail(4);
    expect(breaker.isReady).toBe(true);
    fail(1);
    expect(breaker.isReady).toBe(false);
  });

  it("opens when half of the last twenty failed, however they are mixed", () => {
    const { breaker, fail } = open();
    for (let n = 0; n < 9; n += 1) {
      breaker.succeed(breaker.begin());
      fail(1);
    }
    expect(breaker.isReady).toBe(true);
    fail(1);
    expect(breaker.isReady).toBe(false);
  });

  it("lets one call through after its time, and that one decides", () => {
    const { breaker, clock, fail, changes } = open();
    fail(5);
    clock.ms = 4_999;
    expect(breaker.isReady).toBe(false);
    clock.ms = 5_000;
    expect(breaker.isReady).toBe(true);
    const trial = breaker.begin();
    expect(trial).toBe(true);
    expect(breaker.isReady).toBe(false);
    breaker.succeed(trial);
    expect(breaker.isReady).toBe(true);
    expect(changes).toEqual(["OPEN", "HALF_OPEN", "CLOSED"]);
  });

  it("stays open twice as long each time a trial fails, up to a minute", () => {
    const { breaker, clock, fail } = open();
    fail(5);
    const waits = Array.from({ length: 6 }, () => {
      const wait = (breaker.openUntil ?? 0) - clock.ms;
      clock.ms = breaker.openUntil ?? 0;
      breaker.fail(breaker.begin());
      return wait;
    });
    expect(waits).toEqual([5_000, 10_000, 20_000, 40_000, 60_000, 60_000]);
  });

  it("gives the trial to the next call when its client left without a verdict", () => {
    const { breaker, clock, fail } = open();
    fail(5);
    clock.ms = 5_000;
    breaker.drop(breaker.begin());
    expect(breaker.isReady).toBe(true);
  });

  it("is not opened or kept open by calls that began before it opened", () => {
    const { breaker, clock, fail } = open();
    const before = Array.from({ length: 5 }, () => breaker.begin());
    fail(5);
    const until = breaker.openUntil;
    before.forEach((isTrial) => breaker.fail(isTrial));
    expect(breaker.openUntil).toBe(until);
    clock.ms = 5_000;
    breaker.succeed(breaker.begin());
    fail(4);
    expect(breaker.isReady).toBe(true);
  });

  it("tells once that it is open, however many trials fail or are left, and once that it is closed", () => {
    const { breaker, clock, fail, changes } = open();
    fail(5);
    for (const end of ["fail", "drop", "fail", "succeed"] as const) {
      clock.ms = Math.max(clock.ms, breaker.openUntil ?? 0);
      breaker[end](breaker.begin());
    }
    expect(changes.filter((state) => state !== "HALF_OPEN")).toEqual(["OPEN", "CLOSED"]);
  });

  it("never has two trials at one time, and never stays shut for more than 72 s", () => {
    const step = fc.oneof(fc.record({ do: fc.constant("begin" as const) }), fc.record({ do: fc.constantFrom("succeed" as const, "fail" as const, "drop" as const), at: fc.nat(20) }), fc.record({ do: fc.constant("wait" as const), ms: fc.nat(90_000) }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const { breaker, clock } = open();
        const running: boolean[] = [];
        for (const one of steps) {
          if (one.do === "wait") clock.ms += one.ms;
          else if (one.do === "begin") {
            if (breaker.isReady) running.push(breaker.begin());
          } else if (running.length > 0) {
            const [isTrial = false] = running.splice(one.at % running.length, 1);
            breaker[one.do](isTrial);
          }
          expect(running.filter(Boolean).length).toBeLessThanOrEqual(1);
          expect(breaker.openUntil ?? clock.ms).toBeLessThanOrEqual(clock.ms + 72_000);
        }
      }),
      { numRuns: 300 },
    );
  });
});
