import { setTimeout as sleep } from "node:timers/promises";
import type { MoveEnd, MovePhase } from "../../storage/control/control-plane.js";
import { closeRoot, closeStripes, isFenceOpen, openFence, reopenFence } from "../../storage/fence.js";
import type { TenantDatabase } from "../../storage/transaction.js";
import { homeKey } from "../../routing/home-key.js";
import { isErased, type TenantRecord } from "../../tenancy/tenant-record.js";
import { claimAsDriver, emptyHome, isWhereLegBegins, settle } from "../change-placement.js";
import { legOf, reach, withHome, type MoveRun, type MoveTools } from "../move-run.js";

/** A writer that has taken its stripe and does not end is waited for this long; then all go on, and it is tried again. */
const closeMsMax = 200;
const retryMs = 1_000;

/** Back to the source, under an epoch of its own, so that nothing of this move can be taken for the next. */
export async function cancel(tools: MoveTools, run: MoveRun): Promise<MovePhase> {
  const { source, target, targetEpoch } = legOf(run.move);
  const record = await tools.control.directory.find(run.move.tenantId);
  if (record === undefined || !(isWhereLegBegins(run.move, record) || isCalledBack(run, record))) {
    // Begun from an old view and never prepared. Its fences and its target's name are the tenant's present ones, or an eraser's.
    await run.record({ finishedAt: new Date() });
    return endOf(run);
  }
  // The eraser has closed the fence of an erased tenant for good, or is about to: nobody is to be let in again.
  if (!isErased(record)) await withHome(tools, source, ({ database }) => reopenUnderNewEpoch(tools, run, database));
  await reach(tools, "CANCELLING source open");
  await settle(tools, run.move, source, targetEpoch);
  await reach(tools, "CANCELLING settled");
  // On the way back the target was home until the switch, and a read may trust it for a while.
  if (run.move.reverting) await sleep(tools.retireAfterMs, undefined, { signal: run.signal });
  await emptyHome(tools, target, run);
  await reach(tools, "CANCELLING target empty");
  await run.record({ finishedAt: new Date() });
  return endOf(run);
}

async function reopenUnderNewEpoch(tools: MoveTools, run: MoveRun, database: TenantDatabase): Promise<void> {
  const { tenantId } = run.move;
  const { sourceEpoch, targetEpoch } = legOf(run.move);
  // An earlier run came this far and died: closing what writers of the new epoch have open already would be refused, for ever.
  if (await isFenceOpen(database, tenantId, targetEpoch)) return;
  // Closed first even where it never was: epochs are raised on a closed fence only.
  await close(database, run, sourceEpoch);
  await claimAsDriver(database, run);
  await reach(tools, "CANCELLING source closed");
  await openFence(database, tenantId, targetEpoch, run.token);
}

/** Bounded as in a switch: one server that sleeps in the middle of a write must not stop the others' for the minute it may take. */
async function close(database: TenantDatabase, run: MoveRun, epoch: number): Promise<void> {
  const { tenantId } = run.move;
  for (;;) {
    await closeRoot(database, tenantId, epoch, run.token);
    if (await closeStripes(database, tenantId, closeMsMax)) return;
    await reopenFence(database, tenantId, epoch, run.token);
    await sleep(retryMs, undefined, { signal: run.signal });
  }
}

/** An earlier run has undone the leg already, and died before it could say so. */
function isCalledBack({ move }: MoveRun, { placement }: TenantRecord): boolean {
  const { source, targetEpoch } = legOf(move);
  return placement.kind === "SETTLED" && placement.epoch === targetEpoch && homeKey(placement.home) === homeKey(source);
}

function endOf({ move }: MoveRun): MoveEnd {
  if (move.reverting) return "DONE";
  return move.cancelRequested && move.failure === undefined ? "CANCELLED" : "FAILED";
}
