import type { MovePhase } from "../../storage/control/control-plane.js";
import { followTenant } from "../../storage/moving/follow-tenant.js";
import type { MovingHome, RowSet } from "../../storage/moving/moving-home.js";
import { announce, claimAsDriver } from "../change-placement.js";
import { letWritersOn } from "./let-writers-on.js";
import { inTurnOf, legOf, reach, watermarksOf, withBoth, type MoveRun, type MoveTools } from "../move-run.js";

/** A round that finds no more than this leaves so little behind that a pause can finish it. */
const rowsOfLastRound = 32;
/** Rounds after which a switch is tried all the same: its pause is bounded by itself. */
const roundsMax = 200;

/** Catches up with the source's writers until a round is a short one. */
export async function follow(tools: MoveTools, run: MoveRun): Promise<MovePhase> {
  const leg = legOf(run.move);
  return withBoth(tools, leg, async (source, target) => {
    await announce(tools, run);
    await claimAsDriver(target.database, run);
    await letWritersOn(run, leg, source);
    await reach(tools, "FOLLOWING begins");
    for (let round = 1; round <= roundsMax; round += 1) {
      run.signal.throwIfAborted();
      const before = run.move.copied;
      await catchUp(tools, run, source, target);
      if (run.move.cancelRequested) return "CANCELLING" as const;
      if (run.move.copied - before <= rowsOfLastRound) break;
    }
    return "VERIFYING" as const;
  });
}

/** One round, recorded. Returns what it touched. */
export async function catchUp(tools: MoveTools, run: MoveRun, source: MovingHome, target: MovingHome): Promise<readonly RowSet[]> {
  const { marks, rows, touched } = await followTenant(source, target, run.move.tenantId, run.token, watermarksOf(run.move), inTurnOf(tools, run));
  await reach(tools, "FOLLOWING round applied");
  // Nothing was written since: nothing to remember either.
  if (touched.length === 0 && rows === 0 && sameMarks(marks, watermarksOf(run.move))) return touched;
  const copied = run.move.copied + rows;
  await run.record({ watermarks: marks, copied, total: Math.max(copied, run.move.total) });
  return touched;
}

function sameMarks(a: ReturnType<typeof watermarksOf>, b: ReturnType<typeof watermarksOf>): boolean {
  const known = new Map(b.map(({ stripe, seq }) => [stripe, seq]));
  return a.length === b.length && a.every(({ stripe, seq }) => known.get(stripe) === seq);
}
