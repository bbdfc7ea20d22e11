/**
 * The steps of a placement move, one function each. Every step may be run again from its beginning
 * after a crash, by this server or another; README.md in this folder argues why that is safe.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { internal } from "../kernel/errors.js";
import { newId, type RequestId } from "../kernel/ids.js";
import type { Lease, LeasedCache } from "../kernel/leased-cache.js";
import { homeKey } from "../routing/home-key.js";
import type { ControlPlane, MovePhase, PlacementMoveRow } from "../storage/control/control-plane.js";
import { closeFence, isFenceOpen, openFence } from "../storage/fence.js";
import type { TenantHome } from "../storage/home.js";
import { copyTenant, countTenant } from "../storage/moving/copy-tenant.js";
import { differences, digestTenant } from "../storage/moving/digest-tenant.js";
import { isClaimed } from "../storage/moving/mover-guard.js";
import { removeTenant } from "../storage/moving/remove-tenant.js";
import type { TenantDatabase } from "../storage/transaction.js";
import { openJobContext } from "../tenancy/tenant-context.js";
import type { CachedTenantDirectory } from "../tenancy/tenant-directory.js";
import type { TierPolicies } from "../tenancy/tier-policy.js";
import { claimAsDriver, homeIsEmptied, settle, startMoving } from "./change-placement.js";

export interface MoveTools {
  readonly control: ControlPlane;
  readonly directory: CachedTenantDirectory;
  readonly homes: LeasedCache<TenantHome>;
  readonly policies: TierPolicies;
  /** How long the old home is kept after a switch, in ms: longer than any read may trust it. */
  readonly retireAfterMs: number;
}

export interface MoveRun {
  readonly move: PlacementMoveRow;
  /** Names this run to the fences; a later run of the same move has another. */
  readonly token: string;
  /** Extends the lease and persists progress. Throws `CONFLICT` once the lease is lost. */
  record(change: { phase?: MovePhase; copied?: number; total?: number; switchedAt?: Date; finishedAt?: Date; failure?: string }): Promise<void>;
  /** Fires when the lease is lost or the server stops. */
  readonly signal: AbortSignal;
}

type Step = (tools: MoveTools, run: MoveRun) => Promise<MovePhase>;

/** What each phase does, and the phase that follows it. */
export const moveSteps: Readonly<Record<Exclude<MovePhase, "DONE" | "FAILED">, Step>> = {
  PREPARING: prepare,
  PAUSING: pause,
  COPYING: copy,
  VERIFYING: verify,
  SWITCHING: switchOver,
  RETIRING: retire,
  CANCELLING: cancel,
};

/** Opening a home declares its collections and waits until its search index can be queried. */
async function prepare(tools: MoveTools, run: MoveRun): Promise<MovePhase> {
  return withHome(tools, run.move.to, async (target) => {
    await claimAsDriver(target.database, run);
    await removeTenant(target.database, run.move.tenantId, run.token);
    return "PAUSING" as const;
  });
}

async function pause(tools: MoveTools, run: MoveRun): Promise<MovePhase> {
  const placement = await startMoving(tools, run.move);
  await withHome(tools, run.move.from, (source) => closeFence(source.database, run.move.tenantId, placement.epoch));
  return "COPYING";
}

async function copy(tools: MoveTools, run: MoveRun): Promise<MovePhase> {
  const { tenantId, from, to } = run.move;
  return withHome(tools, from, (source) =>
    withHome(tools, to, async (target) => {
      await claimAsDriver(target.database, run);
      // An earlier run may have copied some: begin clean rather than reason about how far it came.
      await removeTenant(target.database, tenantId, run.token);
      let copied = 0;
      await run.record({ copied, total: await countTenant(source.database, tenantId) });
      await copyTenant(source.database, target.database, tenantId, run.token, async (rows) => {
        run.signal.throwIfAborted();
        copied += rows;
        await run.record({ copied });
      });
      return "VERIFYING" as const;
    }),
  );
}

async function verify(tools: MoveTools, run: MoveRun): Promise<MovePhase> {
  const { tenantId, from, to } = run.move;
  return withHome(tools, from, (source) =>
    withHome(tools, to, async (target) => {
      // From here to the opened fence nobody else may write to the target, or what was compared is not what is switched to.
      await claimAsDriver(target.database, run);
      const [before, after] = await Promise.all([digestTenant(source.database, tenantId), digestTenant(target.database, tenantId)]);
      const differing = differences(before, after);
      if (differing.length > 0) {
        await run.record({ failure: `Verification failed: ${differing.join(", ")} differ between source and target` });
        return "CANCELLING" as const;
      }
      await untilSearchable(tools, run, target);
      return "SWITCHING" as const;
    }),
  );
}

/** Documents whose chunks are looked for in the target's search index before the switch. */
const sampledDocumentsMax = 20;
const searchPollMs = 50;
const searchWaitMsMax = 120_000;

/** Atlas indexes with a delay: a tenant must not be switched to an index that does not yet return its rows. */
async function untilSearchable(tools: MoveTools, run: MoveRun, target: TenantHome): Promise<void> {
  const record = await tools.directory.findFresh(run.move.tenantId);
  if (record === undefined) throw internal("The tenant vanished from the directory while it was moved");
  const context = openJobContext({ ...record, state: "ACTIVE" }, tools.policies, newId<RequestId>("request"));
  const store = target.store(context, run.move.targetEpoch);
  const sample = await store.documents.page({ first: sampledDocumentsMax }, { states: ["READY"] });
  const waitUntil = performance.now() + searchWaitMsMax;
  for (const { item } of sample.items) {
    while (item.chunkCount > 0 && !(await store.chunks.isSearchable(item.id, item.version))) {
      if (performance.now() > waitUntil) throw internal("The target's search index does not return the copied rows");
      await sleep(searchPollMs, undefined, { signal: run.signal });
    }
  }
}

async function switchOver(tools: MoveTools, run: MoveRun): Promise<MovePhase> {
  const { to, targetEpoch } = run.move;
  if (!(await isStillWanted(tools, run.move))) {
    await run.record({ failure: "The tenant's tier was changed while it was moved" });
    return "CANCELLING";
  }
  // The fence first: from the moment the directory says so, the new home takes writes.
  const opened = await withHome(tools, to, (target) => openVerified(target.database, run));
  // Verified by a run that died: its claim was not this run's, so what it compared is compared again.
  if (!opened) return "VERIFYING";
  await settle(tools, run.move, to, targetEpoch);
  await run.record({ switchedAt: new Date() });
  return "RETIRING";
}

/** Opens the target for writers under this run's own claim. False when the claim is another's. */
async function openVerified(database: TenantDatabase, { move: { tenantId, targetEpoch }, token }: MoveRun): Promise<boolean> {
  if (!(await isFenceOpen(database, tenantId, targetEpoch)) && !(await isClaimed(database, tenantId, token))) return false;
  await openFence(database, tenantId, targetEpoch, token);
  return true;
}

/** False when the tier that asked for this home was changed again meanwhile. A switch that was made already stands. */
async function isStillWanted(tools: MoveTools, move: PlacementMoveRow): Promise<boolean> {
  const record = await tools.directory.findFresh(move.tenantId);
  if (record === undefined || record.placement.kind === "SETTLED") return true;
  return (record.placementOverride ?? tools.policies[record.tier].placement) === move.to.kind;
}

async function retire(tools: MoveTools, run: MoveRun): Promise<MovePhase> {
  // Waited in full after every resume, since it is not known how long the last run waited.
  await sleep(tools.retireAfterMs, undefined, { signal: run.signal });
  await homeIsEmptied(tools, run.move.from, run);
  await run.record({ finishedAt: new Date() });
  return "DONE";
}

/** Back to the source, under an epoch of its own, so that nothing of this move can be taken for the next. */
async function cancel(tools: MoveTools, run: MoveRun): Promise<MovePhase> {
  const { tenantId, from, to, targetEpoch } = run.move;
  await withHome(tools, from, async (source) => {
    // An earlier run came this far and died: closing what writers of the new epoch have open already would be refused, for ever.
    if (await isFenceOpen(source.database, tenantId, targetEpoch)) return;
    // Closed first even where it never was: epochs are raised on a closed fence only.
    await closeFence(source.database, tenantId, targetEpoch - 1);
    await claimAsDriver(source.database, run);
    await openFence(source.database, tenantId, targetEpoch, run.token);
  });
  await settle(tools, run.move, from, targetEpoch);
  await homeIsEmptied(tools, to, run);
  await run.record({ finishedAt: new Date() });
  return "FAILED";
}

async function withHome<T>(tools: MoveTools, home: PlacementMoveRow["from"], work: (opened: TenantHome) => Promise<T>): Promise<T> {
  const lease: Lease<TenantHome> = await tools.homes.lease(homeKey(home));
  try {
    return await work(lease.value);
  } finally {
    lease.release();
  }
}
