import { removeTenant } from "../../storage/moving/remove-tenant.js";
import type { MovePhase } from "../../storage/control/control-plane.js";
import { announce, claimAsDriver } from "../change-placement.js";
import { legOf, reach, withHome, type MoveRun, type MoveTools } from "../move-run.js";

/** Makes the target, empty, with nobody's writes let in, and announces the move to every server. */
export async function prepare(tools: MoveTools, run: MoveRun): Promise<MovePhase> {
  const { target } = legOf(run.move);
  if (target.kind === "SILO") await tools.silos.prepare(run.move.tenantId, target);
  await reach(tools, "PREPARING silo made");
  await withHome(tools, target, async ({ database }) => {
    await claimAsDriver(database, run);
    await removeTenant(database, run.move.tenantId, run.token);
  });
  await reach(tools, "PREPARING target empty");
  await announce(tools, run);
  return "COPYING";
}
