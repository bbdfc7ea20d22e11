import { setTimeout as sleep } from "node:timers/promises";
import { BulkheadError, internal } from "../../kernel/errors.js";
import type { TenantId } from "../../kernel/ids.js";
import { homeKey } from "../../routing/home-key.js";
import type { PlacementMoveRow } from "../../storage/control/control-plane.js";
import type { ErasurePhase } from "../../storage/control/erasure-rows.js";
import { readHome, type Home, type TenantRecord } from "../../tenancy/tenant-record.js";
import { changeRecord } from "../change-placement.js";
import { isEnd } from "../move-steps.js";
import { storeName, withUnreachable } from "./erase-receipt.js";
import type { EraseRun, EraseTools } from "./erase-run.js";

const moveEndPollMs = 50;

/** A second look at the servers' caches is not needed: what slips through is stopped by the fence, which closes next. */
export async function stop(tools: EraseTools, { erasure, signal }: EraseRun): Promise<ErasurePhase> {
  await stopServing(tools, erasure.tenantId);
  await sleep(tools.stoppedAfterMs, undefined, { signal });
  return "ENDING_MOVE";
}

/** From here on the tenant is answered like one that never was. Repeating it changes nothing. */
export function stopServing(tools: Pick<EraseTools, "control" | "directory">, tenantId: TenantId): Promise<TenantRecord> {
  return changeRecord(tools, tenantId, ({ state }) => (state === "ERASING" || state === "ERASED" ? undefined : { state: "ERASING" }));
}

export async function endMove(tools: EraseTools, run: EraseRun): Promise<ErasurePhase> {
  const { tenantId } = run.erasure;
  // Before the moves' rows are removed, and again by a run that comes later: nothing noted is forgotten.
  await run.record({ homes: await homesOf(tools, run) });
  const until = performance.now() + tools.moveEndMsMax;
  for (;;) {
    const move = await tools.control.moves.latestOf(tenantId);
    if (move === undefined || isEnd(move.phase)) return "CLOSING";
    if (performance.now() > until) return giveUpOn(run, move);
    await askToEnd(tools, move);
    await sleep(moveEndPollMs, undefined, { signal: run.signal });
  }
}

/** Called back before the switch, and otherwise brought to its end at once: both leave one home. */
async function askToEnd({ control, onMoveRequested }: EraseTools, move: PlacementMoveRow): Promise<void> {
  for (const request of ["CANCEL", "RETIRE"] as const) {
    try {
      await control.moves.request(move.id, request);
      onMoveRequested();
      return;
    } catch (error) {
      // Too late for one and too early for the other, in the middle of the switch: looked at again in a moment.
      if (!(error instanceof BulkheadError) || error.code !== "CONFLICT") throw error;
    }
  }
}

/** A move that cannot end, such as one to a cluster that is down, still has the tenant: nothing can be removed under it. */
async function giveUpOn({ erasure, record }: EraseRun, move: PlacementMoveRow): Promise<ErasurePhase> {
  const store = storeName(move.to.kind === "SILO" ? move.to : move.from);
  const reason = `The placement move ${move.id} does not end (${move.phase}), and nothing can be removed while it may write`;
  await record({ unreachable: withUnreachable(erasure.unreachable, { store, reason }), status: "PARTIAL", phase: "ENDED", finishedAt: new Date() });
  return "ENDED";
}

/** The pool is among them in any case: every tenant begins there. */
async function homesOf({ control }: EraseTools, { erasure }: EraseRun): Promise<readonly Home[]> {
  const record = await control.directory.find(erasure.tenantId);
  if (record === undefined) throw internal("The tenant vanished from the directory while it was erased");
  const all: readonly Home[] = [{ kind: "POOL" }, readHome(record.placement), ...erasure.homes, ...(await control.traces.homesOf(erasure.tenantId))];
  return [...new Map(all.map((home) => [homeKey(home), home])).values()];
}
