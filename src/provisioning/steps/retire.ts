import { setTimeout as sleep } from "node:timers/promises";
import type { MovePhase } from "../../storage/control/control-plane.js";
import { emptyHome } from "../change-placement.js";
import { legOf, reach, type MoveRun, type MoveTools } from "../move-run.js";

/** Removes the home that the tenant has left. */
export async function retire(tools: MoveTools, run: MoveRun): Promise<MovePhase> {
  // Waited in full after every resume, since it is not known how long the last run waited.
  const rest = run.found.settledAt === undefined ? tools.retireAfterMs : run.found.settledAt + tools.retireAfterMs - performance.now();
  if (rest > 0) await sleep(rest, undefined, { signal: run.signal });
  await reach(tools, "RETIRING begins");
  await emptyHome(tools, legOf(run.move).source, run);
  await reach(tools, "RETIRING source empty");
  await run.record({ finishedAt: new Date() });
  return run.move.reverting ? "REVERTED" : "DONE";
}
