import { removeTenant } from "../../storage/moving/remove-tenant.js";
import type { MovePhase } from "../../storage/control/control-plane.js";
import { announce, claimAsDriver, emptyHome, isWhereLegBegins, TenantGone } from "../change-placement.js";
import { legOf, reach, withHome, type MoveRun, type MoveTools } from "../move-run.js";

/** Announces the move to every server and makes the target, empty, with nobody's writes let in. */
export async function prepare(tools: MoveTools, run: MoveRun): Promise<MovePhase> {
  const { target } = legOf(run.move);
  const record = await tools.control.directory.find(run.move.tenantId);
  // Begun from an old view. Nothing may be made: the target's name may be that of the silo the tenant lives in by now.
  if (record === undefined || !isWhereLegBegins(run.move, record)) {
    await run.record({ failure: "The tenant was moved by another move before this one began" });
    return "CANCELLING";
  }
  // First, because every server has to have heard of it before the switch, and time passes meanwhile.
  try {
    await announce(tools, run);
  } catch (error) {
    if (!(error instanceof TenantGone)) throw error;
    // Nothing was made yet, unless by a run that died; the fence of an erased tenant must not be opened by an undoing.
    await emptyHome(tools, target, run);
    await run.record({ finishedAt: new Date(), failure: "The tenant is being erased" });
    return "FAILED";
  }
  if (target.kind === "SILO") await tools.silos.prepare(run.move.tenantId, target);
  await reach(tools, "PREPARING silo made");
  await withHome(tools, target, async ({ database }) => {
    await claimAsDriver(database, run);
    await removeTenant(database, run.move.tenantId, run.token);
  });
  await reach(tools, "PREPARING target empty");
  return "COPYING";
}
