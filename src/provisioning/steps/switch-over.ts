import { setTimeout as sleep } from "node:timers/promises";
import type { MovePhase, Watermarks } from "../../storage/control/control-plane.js";
import { closeRoot, closeStripes, isFenceOpen, openFence, reopenFence } from "../../storage/fence.js";
import type { TenantHome } from "../../storage/home.js";
import { differingSets } from "../../storage/moving/compare-tenant.js";
import { followTenant, type FollowedRound } from "../../storage/moving/follow-tenant.js";
import { isClaimed } from "../../storage/moving/mover-guard.js";
import { RowSets, type RowSet } from "../../storage/moving/moving-home.js";
import { claimAsDriver, settle } from "../change-placement.js";
import { legOf, reach, watermarksOf, withBoth, type Leg, type MoveRun, type MoveTools } from "../move-run.js";
import { catchUp } from "./follow.js";
import { letWritersOn } from "./let-writers-on.js";
import { describe } from "./verify.js";

/** A writer that has taken its stripe is waited for this long, then writers go on and the switch is tried later. */
const closeMsMax = 200;
/** A pause that has lasted this long before the target is opened is given up. A machine that is too slow for it is given more each time, up to `pauseMsMax`. */
const pauseMsMin = 400;
const pauseGrowth = 1.5;
const pauseMsMax = 5_000;
/** More than this is not begun within a pause. */
const pauseRowsMax = 400;
/** Pauses given up before the move is: its tenant's writers outpace it, or one of them hangs for minutes. */
const pausesMax = 30;
const retryMs = 1_000;

/**
 * The switch. Writers wait only from the closing of the stripes to the directory's new word: what
 * they wrote last is copied and compared, the target is opened, the directory names it.
 */
export async function switchOver(tools: MoveTools, run: MoveRun): Promise<MovePhase> {
  const leg = legOf(run.move);
  return withBoth(tools, leg, async (source, target) => {
    // An earlier run opened the target and died: it had verified all.
    if (await isFenceOpen(target.database, run.move.tenantId, leg.targetEpoch)) return settled(tools, run, leg);
    if (run.found.suspects === undefined || !(await isClaimed(target.database, run.move.tenantId, run.token))) return takeOver(run, leg, source, target);
    if (!(await isStillWanted(tools, run))) {
      await run.record({ failure: "The tenant's tier was changed while it was moved" });
      return "CANCELLING" as const;
    }
    await announced(tools, run);
    if ((await run.recordUnless("CANCEL", { switching: true })) === undefined) return "CANCELLING" as const;
    await reach(tools, "SWITCHING committed");
    // New stripes are barred while those that exist still write: this costs writers nothing.
    await closeRoot(source.database, run.move.tenantId, leg.sourceEpoch, run.token);
    await run.record({});
    run.found.suspects.add(await catchUp(tools, run, source, target));
    // What is equal here needs no look within the pause: whoever touches it after this is followed, and it is looked at again.
    const suspects = new RowSets(await differingSets(source, target, run.move.tenantId, run.found.suspects.values()));
    suspects.add(await catchUp(tools, run, source, target));
    run.found.suspects = suspects;
    return pause(tools, run, leg, source, target, suspects);
  });
}

/**
 * Verified by a run that died, perhaps within its pause: its claim was not this run's, so what it
 * compared is compared again, and until then writers go on. The target is claimed first: from there
 * the other run, should it only have slept, can open nothing.
 */
async function takeOver(run: MoveRun, leg: Leg, source: TenantHome, target: TenantHome): Promise<MovePhase> {
  await claimAsDriver(target.database, run);
  await letWritersOn(run, leg, source);
  return "VERIFYING";
}

async function pause(tools: MoveTools, run: MoveRun, leg: Leg, source: TenantHome, target: TenantHome, suspects: RowSets): Promise<MovePhase> {
  const startedAt = performance.now();
  const pauseMs = Math.min(pauseMsMax, pauseMsMin * pauseGrowth ** run.found.pausesGivenUp);
  let finished: Finished | undefined;
  const finishing = finish(tools, run, source, target, suspects);
  // Heard below, unless the pause is given up and that fails first: then it must not end the process.
  finishing.catch(() => undefined);
  try {
    finished = await Promise.race([finishing, sleep(pauseMs, undefined, { ref: false })]);
  } catch (error) {
    // Nothing of the target is open yet. A writer must not wait for the next try, nor for another server.
    await reopenFence(source.database, run.move.tenantId, leg.sourceEpoch, run.token).catch(() => undefined);
    throw error;
  }
  if (finished === undefined || performance.now() - startedAt > pauseMs) return giveUp(run, leg, source, startedAt, finishing);
  if (finished.differing.length > 0) {
    await run.record({ failure: `Verification failed: ${describe(finished.differing)} differ between source and target` });
    return "CANCELLING";
  }
  await reach(tools, "SWITCHING verified");
  // The fence first: from the moment the directory says so, the new home takes writes.
  await openFence(target.database, run.move.tenantId, leg.targetEpoch, run.token);
  await reach(tools, "SWITCHING target open");
  return settled(tools, run, leg, { startedAt, ...finished.round });
}

interface Finished {
  readonly round: FollowedRound;
  readonly differing: readonly RowSet[];
}

/** Copies and compares what writers left, behind the closed fence. Undefined when it would take too long. */
async function finish(tools: MoveTools, run: MoveRun, source: TenantHome, target: TenantHome, suspects: RowSets): Promise<Finished | undefined> {
  const { tenantId } = run.move;
  await reach(tools, "SWITCHING pause begins");
  if (!(await closeStripes(source.database, tenantId, closeMsMax))) return undefined;
  await reach(tools, "SWITCHING source closed");
  // Recorded after the pause: a run that takes over without these watermarks only follows the same again.
  const round = await followTenant(source, target, tenantId, run.token, watermarksOf(run.move));
  await reach(tools, "SWITCHING round applied");
  suspects.add(round.touched);
  if (suspects.size > pauseRowsMax) return undefined;
  return { round, differing: await differingSets(source, target, tenantId, suspects.values()) };
}

/** Lets the writers go on as before. Only this run's own closing is undone; were it another's by now, this throws. */
async function giveUp(run: MoveRun, leg: Leg, source: TenantHome, startedAt: number, finishing: Promise<unknown>): Promise<MovePhase> {
  await reopenFence(source.database, run.move.tenantId, leg.sourceEpoch, run.token);
  const pausedMs = longest(run, startedAt);
  // It may still be writing to the target, which harms nobody, but must not overtake the next round.
  await finishing;
  run.found.pausesGivenUp += 1;
  delete run.found.suspects;
  await run.record({ pauseMs: pausedMs, switching: false });
  if (run.found.pausesGivenUp >= pausesMax) {
    await run.record({ failure: "The tenant's writes could not be paused for a switch: they outpace the move, or one of them does not end" });
    return "CANCELLING";
  }
  await sleep(retryMs, undefined, { signal: run.signal });
  return "FOLLOWING";
}

async function settled(tools: MoveTools, run: MoveRun, leg: Leg, pause?: { readonly startedAt: number; readonly marks: Watermarks; readonly rows: number }): Promise<MovePhase> {
  await settle(tools, run.move, leg.target, leg.targetEpoch);
  run.found.settledAt = performance.now();
  const { copied, total } = run.move;
  const paused = pause === undefined ? {} : { pauseMs: longest(run, pause.startedAt), watermarks: pause.marks, copied: copied + pause.rows, total: Math.max(total, copied + pause.rows) };
  await reach(tools, "SWITCHING settled");
  await run.record({ switchedAt: new Date(), ...paused });
  return run.move.reverting ? "RETIRING" : "OBSERVING";
}

function longest(run: MoveRun, startedAt: number): number {
  return Math.max(run.move.pauseMs ?? 0, Math.round((performance.now() - startedAt) * 10) / 10);
}

/** Every server must have learned that the tenant moves, so that none serves a read from memory of the old home after a write to the new. */
async function announced(tools: MoveTools, run: MoveRun): Promise<void> {
  const { announcedAt } = run.found;
  const rest = announcedAt === undefined ? tools.announceMs : announcedAt + tools.announceMs - performance.now();
  if (rest > 0) await sleep(rest, undefined, { signal: run.signal });
}

/** False when the tier that asked for this home was changed again meanwhile. A switch that is called back is wanted by an operator. */
async function isStillWanted(tools: MoveTools, { move }: MoveRun): Promise<boolean> {
  if (move.reverting) return true;
  const record = await tools.directory.findFresh(move.tenantId);
  if (record === undefined) return true;
  return (record.placementOverride ?? tools.policies[record.tier].placement) === move.to.kind;
}
