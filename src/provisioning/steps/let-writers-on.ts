import { closeRoot, isFenceOpen, reopenFence } from "../../storage/fence.js";
import type { TenantHome } from "../../storage/home.js";
import type { Leg, MoveRun } from "../move-run.js";

/**
 * Opens a source that an earlier run has closed, perhaps as it died within its pause, perhaps as it
 * woke up late. The target must be this run's already: from there the other run can open nothing.
 */
export async function letWritersOn(run: MoveRun, leg: Leg, source: TenantHome): Promise<void> {
  const { tenantId } = run.move;
  if (await isFenceOpen(source.database, tenantId, leg.sourceEpoch)) return;
  await closeRoot(source.database, tenantId, leg.sourceEpoch, run.token);
  await run.record({});
  await reopenFence(source.database, tenantId, leg.sourceEpoch, run.token);
}
