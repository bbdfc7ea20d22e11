import { copyTenant, countTenant, removeBehind, type CopyPosition } from "../../storage/moving/copy-tenant.js";
import { asMover } from "../../storage/moving/mover-guard.js";
import { removeTenant } from "../../storage/moving/remove-tenant.js";
import { carryWatermarks, readWatermarks } from "../../storage/fence.js";
import type { MovePhase } from "../../storage/control/control-plane.js";
import { claimAsDriver } from "../change-placement.js";
import { inTurnOf, legOf, reach, watermarksOf, withBoth, type MoveRun, type MoveTools } from "../move-run.js";

/** Often enough for a progress bar; each costs a durable write, and what was copied since is copied again after a crash. */
const recordEveryMs = 250;

/** Copies every row while writers go on. Whatever they change meanwhile is followed from the watermarks that were read first. */
export async function copy(tools: MoveTools, run: MoveRun): Promise<MovePhase> {
  const { tenantId } = run.move;
  return withBoth(tools, legOf(run.move), async (source, target) => {
    await claimAsDriver(target.database, run);
    if (run.move.watermarks === undefined) {
      const watermarks = await readWatermarks(source.database, tenantId);
      await run.record({ watermarks, copied: 0, total: await countTenant(source.database, tenantId), copyStartedAt: new Date() });
    }
    const { copiedTo } = run.move;
    // A batch that was committed and not recorded is copied again.
    if (copiedTo === undefined) await removeTenant(target.database, tenantId, run.token);
    else await removeBehind(target.database, tenantId, run.token, copiedTo);
    // Numbering goes on from the source's own, also when no writer comes by during the whole move.
    await asMover(target.database, tenantId, run.token, (session) => carryWatermarks(target.database, tenantId, watermarksOf(run.move), session));
    await reach(tools, "COPYING begins");
    let unrecorded = 0;
    let recordedAt = Number.NEGATIVE_INFINITY;
    const record = async (): Promise<void> => {
      const copied = run.move.copied + unrecorded;
      unrecorded = 0;
      recordedAt = performance.now();
      await run.record({ copied, total: Math.max(copied, run.move.total), ...(position === undefined ? {} : { copiedTo: position }) });
    };
    let position: CopyPosition | undefined;
    await copyTenant(source, target, tenantId, run.token, copiedTo, inTurnOf(tools, run), async (rows, at) => {
      [unrecorded, position] = [unrecorded + rows, at];
      await reach(tools, "COPYING batch committed");
      run.signal.throwIfAborted();
      if (performance.now() - recordedAt < recordEveryMs) return;
      await record();
      if (run.move.cancelRequested) throw new Cancelled();
      await reach(tools, "COPYING batch recorded");
    });
    await record();
    return run.move.cancelRequested ? ("CANCELLING" as const) : ("FOLLOWING" as const);
  }).catch((error: unknown) => {
    if (error instanceof Cancelled) return "CANCELLING" as const;
    throw error;
  });
}

/** Leaves a copy half way; never leaves this file. */
class Cancelled extends Error {}
