import { describe, expect, test } from "vitest";
import { copyRate, secondsLeft } from "../../src/graphql/placement-move/copy-rate.js";

const at = (seconds: number): Date => new Date(Date.UTC(2026, 0, 1) + seconds * 1_000);
const copying = { phase: "COPYING", copied: 300, total: 1_000, copyStartedAt: at(10) } as const;

describe("the rate of a move", () => {
  test("is counted from when copying began, and says when the rest will be copied", () => {
    expect(copyRate(copying, at(12))).toBe(150);
    expect(secondsLeft(copying, at(12))).toBe(4.7);
  });

  test("stands still after the switch, while the move is observed", () => {
    const observed = { ...copying, phase: "OBSERVING", copied: 1_000, switchedAt: at(20) } as const;
    expect(copyRate(observed, at(21))).toBe(100);
    expect(copyRate(observed, at(600))).toBe(100);
    expect(secondsLeft(observed, at(21))).toBeUndefined();
  });

  test("is none before the first row, nor is there an estimate; rows written meanwhile never make it negative", () => {
    expect(copyRate({ ...copying, copied: 0 }, at(12))).toBeUndefined();
    expect(copyRate({ phase: "PREPARING", copied: 0, total: 0 }, at(12))).toBeUndefined();
    expect(secondsLeft({ ...copying, copied: 0 }, at(12))).toBeUndefined();
    expect(secondsLeft({ ...copying, copied: 1_200 }, at(12))).toBe(0);
  });
});
