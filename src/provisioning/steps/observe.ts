import { setTimeout as sleep } from "node:timers/promises";
import type { MovePhase } from "../../storage/control/control-plane.js";
import type { MoveRun, MoveTools } from "../move-run.js";

const pollMs = 200;

/** Keeps the old home whole for a while, so that an operator who sees something wrong can call the switch back. */
export async function observe(tools: MoveTools, run: MoveRun): Promise<MovePhase> {
  const endsAt = (run.move.switchedAt ?? new Date()).getTime() + tools.observeMs;
  for (;;) {
    const row = await tools.control.moves.find(run.move.id);
    if (row?.revertRequested === true) {
      // Everything up to the watermarks is in the old home: only what was written since is followed back.
      await run.record({ reverting: true, targetEpoch: run.move.targetEpoch + 1, phase: "FOLLOWING" });
      delete run.found.announcedAt;
      delete run.found.suspects;
      return "FOLLOWING";
    }
    const rest = endsAt - Date.now();
    // Asked and done in one write: a call back that comes at the same moment is either heard or refused.
    if ((row?.retireRequested === true || rest <= 0) && (await run.recordUnless("REVERT", { phase: "RETIRING" })) !== undefined) return "RETIRING";
    await sleep(Math.min(pollMs, Math.max(1, rest)), undefined, { signal: run.signal });
  }
}
