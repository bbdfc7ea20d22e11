import type { MovePhase } from "../../storage/control/control-plane.js";
import { closeFence, isFenceOpen, openFence } from "../../storage/fence.js";
import { claimAsDriver, emptyHome, settle } from "../change-placement.js";
import { legOf, reach, withHome, type MoveRun, type MoveTools } from "../move-run.js";

/** Back to the source, under an epoch of its own, so that nothing of this move can be taken for the next. */
export async function cancel(tools: MoveTools, run: MoveRun): Promise<MovePhase> {
  const { tenantId } = run.move;
  const { source, target, sourceEpoch, targetEpoch } = legOf(run.move);
  await withHome(tools, source, async ({ database }) => {
    // An earlier run came this far and died: closing what writers of the new epoch have open already would be refused, for ever.
    if (await isFenceOpen(database, tenantId, targetEpoch)) return;
    // Closed first even where it never was: epochs are raised on a closed fence only.
    await closeFence(database, tenantId, sourceEpoch, run.token);
    await claimAsDriver(database, run);
    await reach(tools, "CANCELLING source closed");
    await openFence(database, tenantId, targetEpoch, run.token);
  });
  await reach(tools, "CANCELLING source open");
  await settle(tools, run.move, source, targetEpoch);
  await reach(tools, "CANCELLING settled");
  await emptyHome(tools, target, run);
  await reach(tools, "CANCELLING target empty");
  await run.record({ finishedAt: new Date() });
  if (run.move.reverting) return "DONE";
  return run.move.cancelRequested && run.move.failure === undefined ? "CANCELLED" : "FAILED";
}
