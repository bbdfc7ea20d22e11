/**
 * A sample of the fault matrix, exceptions alone, in this process; the whole of it, with kills and cut
 * connections, is `npm run proof` (test/proof/move-faults.test.ts).
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { inLanes } from "../support/in-lanes.js";
import { groupedBy, type Passage } from "../support/move-journeys.js";
import { MoveStage } from "../support/move-stage.js";

/** Each takes a second of this process's time: what a test run can spare. */
const casesMax = 3;

let stage: MoveStage;
let passages: readonly Passage[];

beforeAll(async () => {
  stage = await MoveStage.start();
  passages = await stage.probe();
});
afterAll(() => stage.close());

test("every step of a move has points before, during and after its effect", () => {
  const steps = groupedBy(passages, ({ step }) => step);
  expect([...steps.keys()].toSorted()).toEqual(["CANCELLING", "COPYING", "FOLLOWING", "OBSERVING and RETIRING", "PREPARING", "SWITCHING", "VERIFYING", "the way back"]);
  for (const [step, points] of steps) expect([...new Set(points.map(({ when }) => when))].toSorted(), step).toEqual(["AFTER", "BEFORE", "DURING"]);
});

test("an exception at any of some points, others in each run, loses nothing, and leaves nothing behind", async () => {
  const chosen = passages.map((passage) => ({ passage, rank: Math.random() })).toSorted((a, b) => a.rank - b.rank).slice(0, casesMax).map(({ passage }) => passage);
  expect(await inLanes(chosen, casesMax, ({ key }) => key, (passage) => stage.strike(passage, "EXCEPTION"))).toEqual([]);
}, 120_000);
