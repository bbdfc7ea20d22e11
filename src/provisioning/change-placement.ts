import { BulkheadError, conflict, notFound } from "../kernel/errors.js";
import type { TenantId } from "../kernel/ids.js";
import type { LeasedCache } from "../kernel/leased-cache.js";
import { homeKey } from "../routing/home-key.js";
import type { ControlPlane, PlacementMoveRow } from "../storage/control/control-plane.js";
import { dropHome, type TenantHome } from "../storage/home.js";
import { claim } from "../storage/moving/mover-guard.js";
import { removeTenant } from "../storage/moving/remove-tenant.js";
import type { TenantDatabase } from "../storage/transaction.js";
import type { CachedTenantDirectory } from "../tenancy/tenant-directory.js";
import type { Home, Placement, TenantRecord } from "../tenancy/tenant-record.js";

export interface PlacementTools {
  readonly control: ControlPlane;
  readonly directory: CachedTenantDirectory;
  readonly homes: LeasedCache<TenantHome>;
}

/** Marks the tenant as moving, once. Throws `CONFLICT` when its placement is no longer the one this move began from. */
export async function startMoving(tools: PlacementTools, move: PlacementMoveRow): Promise<Placement> {
  const moved = await changeRecord(tools, move.tenantId, ({ placement }) => {
    if (placement.kind === "MOVING" && placement.moveId === move.id) return undefined;
    if (placement.kind !== "SETTLED" || homeKey(placement.home) !== homeKey(move.from)) throw conflict("The tenant's placement changed before the move began");
    return { placement: { kind: "MOVING", from: move.from, to: move.to, epoch: placement.epoch, moveId: move.id } };
  });
  return moved.placement;
}

/** Ends the move at `home` under `epoch`. Done already: nothing to do. Throws `CONFLICT` when it ended otherwise. */
export async function settle(tools: PlacementTools, move: PlacementMoveRow, home: Home, epoch: number): Promise<void> {
  await changeRecord(tools, move.tenantId, ({ placement }) => {
    if (placement.kind === "SETTLED" && placement.epoch === epoch && homeKey(placement.home) === homeKey(home)) return undefined;
    const ours = placement.kind === "MOVING" ? placement.moveId === move.id : homeKey(placement.home) === homeKey(move.from) && placement.epoch === epoch - 1;
    if (!ours) throw conflict("The placement move was ended by another server");
    return { placement: { kind: "SETTLED", home, epoch } };
  });
}

/**
 * Compare-and-set on the tenant's directory row, again while others change other fields of it.
 * `change` gives undefined when there is nothing to do.
 */
export async function changeRecord(tools: Pick<PlacementTools, "control" | "directory">, tenantId: TenantId, change: (record: TenantRecord) => Parameters<ControlPlane["directory"]["update"]>[1] | undefined): Promise<TenantRecord> {
  for (let attempt = 1; ; attempt += 1) {
    const record = await tools.control.directory.find(tenantId);
    if (record === undefined) throw notFound("Tenant");
    const wanted = change(record);
    if (wanted === undefined) return record;
    try {
      return await tools.control.directory.update(record, wanted);
    } catch (error) {
      // Ten losses in a row are no race any more.
      if (!(error instanceof BulkheadError) || error.code !== "CONFLICT" || attempt === 10) throw error;
    } finally {
      tools.directory.forget(tenantId);
    }
  }
}

interface DrivenRun {
  readonly move: Pick<PlacementMoveRow, "tenantId">;
  readonly token: string;
  record(change: Record<string, never>): Promise<void>;
}

/**
 * Makes this run the one mover of a database, and only then asks whether the move is still its own.
 * A server that slept for minutes may wake here while a later move is copying to this database: it
 * must notice before it deletes a row, and its claim makes the other run stop and begin anew.
 */
export async function claimAsDriver(database: TenantDatabase, { move, token, record }: DrivenRun): Promise<void> {
  await claim(database, move.tenantId, token);
  await record({});
}

/**
 * Removes the tenant from a database that is not its home. A silo is dropped whole: its name holds
 * the epoch it was made for and is never used again, so a late drop cannot hit a later silo.
 */
export async function homeIsEmptied(tools: PlacementTools, home: Home, run: DrivenRun): Promise<void> {
  const { tenantId } = run.move;
  const lease = await tools.homes.lease(homeKey(home));
  try {
    await claimAsDriver(lease.value.database, run);
    if (home.kind === "POOL") await removeTenant(lease.value.database, tenantId, run.token);
    else await dropHome(lease.value);
  } finally {
    lease.release();
  }
  if (home.kind === "SILO") tools.homes.evict(homeKey(home));
}
