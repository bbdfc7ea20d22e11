import { setTimeout as sleep } from "node:timers/promises";
import { internal } from "../../kernel/errors.js";
import type { MovePhase } from "../../storage/control/control-plane.js";
import type { TenantHome } from "../../storage/home.js";
import { compareTenant, differingSets } from "../../storage/moving/compare-tenant.js";
import { RowSets, type RowSet } from "../../storage/moving/moving-home.js";
import { sampleQueries, unequalQueries } from "../../storage/moving/query-parity.js";
import { announce, claimAsDriver } from "../change-placement.js";
import { inTurnOf, legOf, reach, withBoth, type MoveRun, type MoveTools } from "../move-run.js";
import { catchUp } from "./follow.js";
import { letWritersOn } from "./let-writers-on.js";

/** Looks at a row that differs while no writer touches it, before it is called different. */
const strikesMax = 3;
const looksMax = 8;
const searchPollMs = 50;
const searchWaitMsMax = 120_000;

/**
 * Compares both sides whole, outside the pause, while writers go on: every row by its hash, then what
 * a search finds. What writers touch meanwhile is compared again, the last of it within the pause.
 */
export async function verify(tools: MoveTools, run: MoveRun): Promise<MovePhase> {
  const leg = legOf(run.move);
  return withBoth(tools, leg, async (source, target) => {
    await announce(tools, run);
    // From here to the opened fence nobody else may write to the target, or what was compared is not what is switched to.
    await claimAsDriver(target.database, run);
    await letWritersOn(run, leg, source);
    await catchUp(tools, run, source, target);
    await reach(tools, "VERIFYING begins");
    const compared = await compareTenant(source, target, run.move.tenantId, inTurnOf(tools, run), () => run.signal.throwIfAborted());
    const suspects = await unsettled(tools, run, source, target, compared.differing);
    if (suspects.really.length > 0) {
      await run.record({ failure: `Verification failed: ${describe(suspects.really)} differ between source and target` });
      return "CANCELLING" as const;
    }
    const open = new RowSets(suspects.perhaps);
    await untilSearchable(tools, run, source, target, open);
    if (run.move.cancelRequested) return "CANCELLING" as const;
    run.found.suspects = open;
    await reach(tools, "VERIFYING ends");
    return "SWITCHING" as const;
  });
}

/**
 * Tells rows that a writer was at from rows that are wrong. After a round the target is what the
 * source was; a row that differs then was written since, and the next round touches it. One that
 * differs again and again and is never touched is wrong.
 */
async function unsettled(tools: MoveTools, run: MoveRun, source: TenantHome, target: TenantHome, first: readonly RowSet[]): Promise<{ really: readonly RowSet[]; perhaps: readonly RowSet[] }> {
  const strikes = new Map<string, number>();
  let perhaps = first;
  for (let look = 1; look <= looksMax && (perhaps.length > 0 || look === 1); look += 1) {
    const touched = await catchUp(tools, run, source, target);
    for (const set of touched) strikes.delete(keyOf(set));
    const sets = new RowSets(perhaps);
    sets.add(touched);
    perhaps = await differingSets(source, target, run.move.tenantId, sets.values());
    for (const set of perhaps) strikes.set(keyOf(set), (strikes.get(keyOf(set)) ?? 0) + 1);
    const really = perhaps.filter((set) => (strikes.get(keyOf(set)) ?? 0) >= strikesMax);
    if (really.length > 0) return { really, perhaps: [] };
  }
  return { really: [], perhaps };
}

/** Atlas indexes with a delay: a tenant must not be switched to an index that does not yet return its rows. */
async function untilSearchable(tools: MoveTools, run: MoveRun, source: TenantHome, target: TenantHome, suspects: RowSets): Promise<void> {
  const waitUntil = performance.now() + searchWaitMsMax;
  let open = await sampleQueries(source, run.move.tenantId);
  while ((open = await unequalQueries(source, target, run.move.tenantId, open)).length > 0) {
    if (performance.now() > waitUntil) throw internal("A search of the target does not give what the source gives");
    await sleep(searchPollMs, undefined, { signal: run.signal });
    suspects.add(await catchUp(tools, run, source, target));
  }
}

/** Names of the collections, and one row of each for whoever looks into it. */
export function describe(sets: readonly RowSet[]): string {
  const byCollection = new Map<string, RowSet[]>();
  for (const set of sets) byCollection.set(set.collection, [...(byCollection.get(set.collection) ?? []), set]);
  return [...byCollection].map(([collection, those]) => `${collection} (${those.length}, such as ${those[0]?.field} ${those[0]?.value})`).join(", ");
}

function keyOf({ collection, field, value }: RowSet): string {
  return JSON.stringify([collection, field, value]);
}
