/**
 * The fault matrix of placement moves: every point that a mover passes, of every journey, times every
 * fault, while another server reads and writes the tenant.
 * PROOF_FAULT_ROUNDS: how often the whole matrix is run, 1 by default. PROOF_FAULT_KEY: only points that contain this.
 * PROOF_FAULT_STRIDE: every which point is struck, each by default; a run begins at another one each time.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { inLanes } from "../support/in-lanes.js";
import type { Passage } from "../support/move-journeys.js";
import { MoveStage } from "../support/move-stage.js";
import { startGuardedEngineProcess } from "../support/guarded-engine-process.js";

const rounds = Number(process.env["PROOF_FAULT_ROUNDS"] ?? 1);
const only = process.env["PROOF_FAULT_KEY"] ?? "";
const stride = Number(process.env["PROOF_FAULT_STRIDE"] ?? 1);
/** Another part of the matrix in each run. */
const firstOf = Math.floor(Math.random() * stride);

/** Of the issue. */
const casesMin = 63;
/** Cases wait longer than they work: for servers to forget, for a mover to try again. Fewer where each is a process more. */
const lanesOf = { KILL: 3, CUT: 6, EXCEPTION: 6, EXCEPTIONS: 6 } as const;
const faults = ["KILL", "CUT", "EXCEPTION", "EXCEPTIONS"] as const;
/** Movers that are started before they are needed. */
const warmMovers = 2;

/** Where a mover that fails again and again undoes its move, instead of leaving it to another. */
const isUndoable = ({ journey, step, when }: Passage): boolean => journey === "THERE" && when === "DURING" && ["PREPARING", "COPYING", "FOLLOWING", "VERIFYING"].includes(step);

let stage: MoveStage;
let passages: readonly Passage[];

beforeAll(async () => {
  stage = await MoveStage.start(await startGuardedEngineProcess());
  passages = await stage.probe();
});
afterAll(() => stage.close());

describe("a move that is struck at any point", () => {
  test(`has at least ${casesMin} points times kill, cut connection and exception`, () => {
    expect(passages.length * 3).toBeGreaterThanOrEqual(casesMin);
    process.stdout.write(`${passages.length} points: ${passages.map(({ key }) => key).join("; ")}\n`);
  });

  for (const fault of faults) {
    test(`by ${fault}: reads never failed, no write is lost or doubled, it is wholly on one side, another server ends it, nothing is left over`, async () => {
      const chosen = Array.from({ length: rounds }, () => passages.filter((passage) => passage.key.includes(only) && (fault !== "EXCEPTIONS" || isUndoable(passage)))).flat().filter((_, at) => at % stride === firstOf % stride);
      const startedAt = performance.now();
      const ends = new Map<string, number>();
      const failed = await inLanes(chosen, lanesOf[fault], ({ key }) => key, async (passage) => {
        if (fault === "KILL") stage.warm(warmMovers);
        const { phase } = await stage.strike(passage, fault);
        ends.set(phase, (ends.get(phase) ?? 0) + 1);
      });
      process.stdout.write(`${fault}: ${chosen.length} cases in ${((performance.now() - startedAt) / 1_000).toFixed(0)} s, ${[...ends].map(([phase, count]) => `${count} ${phase}`).join(", ")}\n`);
      expect(failed).toEqual([]);
    }, rounds * 900_000);
  }
});
