import { BulkheadError, conflict, notFound } from "../kernel/errors.js";
import type { TenantId } from "../kernel/ids.js";
import { homeKey } from "../routing/home-key.js";
import type { ControlPlane, PlacementMoveRow } from "../storage/control/control-plane.js";
import { claim } from "../storage/moving/mover-guard.js";
import { removeTenant } from "../storage/moving/remove-tenant.js";
import type { TenantDatabase } from "../storage/transaction.js";
import type { Home, TenantRecord } from "../tenancy/tenant-record.js";
import { legOf, withHome, type MoveRun, type MoveTools } from "./move-run.js";

export type PlacementTools = Pick<MoveTools, "control" | "directory">;

/** Thrown for a move that was begun in the moment in which its tenant began to be erased. */
export class TenantGone extends Error {}

/**
 * Marks the tenant as moving, once, and remembers since when this run knows it. Throws `CONFLICT`
 * when its placement is no longer the one this leg began from, `TenantGone`.
 */
export async function announce(tools: PlacementTools, run: Pick<MoveRun, "move" | "found">): Promise<void> {
  if (run.found.announcedAt !== undefined) return;
  const { move } = run;
  const { source, target, sourceEpoch } = legOf(move);
  await changeRecord(tools, move.tenantId, ({ placement, state }) => {
    if (placement.kind === "MOVING" && placement.moveId === move.id && placement.epoch === sourceEpoch) return undefined;
    // Switched already by a run that died before it said so: the step that comes finds out.
    if (placement.kind === "SETTLED" && placement.epoch === sourceEpoch + 1 && homeKey(placement.home) === homeKey(target)) return undefined;
    if (placement.kind !== "SETTLED" || placement.epoch !== sourceEpoch || homeKey(placement.home) !== homeKey(source)) throw conflict("The tenant's placement changed before the move began");
    if (state === "ERASING" || state === "ERASED") throw new TenantGone();
    return { placement: { kind: "MOVING", from: source, to: target, epoch: sourceEpoch, moveId: move.id } };
  });
  run.found.announcedAt = performance.now();
}

/**
 * Whether the tenant is where this leg takes it from, announced or not. It is not when a server read
 * the directory, slept through other moves or an erasure, and only then began a move for what it had read.
 */
export function isWhereLegBegins(move: PlacementMoveRow, { placement }: TenantRecord): boolean {
  const { source, sourceEpoch } = legOf(move);
  if (placement.epoch !== sourceEpoch) return false;
  return placement.kind === "MOVING" ? placement.moveId === move.id : homeKey(placement.home) === homeKey(source);
}

/** Ends the leg at `home` under `epoch`. Done already: nothing to do. Throws `CONFLICT` when it ended otherwise. */
export async function settle(tools: PlacementTools, move: PlacementMoveRow, home: Home, epoch: number): Promise<void> {
  const { source, sourceEpoch } = legOf(move);
  await changeRecord(tools, move.tenantId, ({ placement }) => {
    if (placement.kind === "SETTLED" && placement.epoch === epoch && homeKey(placement.home) === homeKey(home)) return undefined;
    const ours = placement.kind === "MOVING" ? placement.moveId === move.id && placement.epoch === sourceEpoch : homeKey(placement.home) === homeKey(source) && placement.epoch === sourceEpoch;
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

/**
 * Makes this run the one mover of a database, and only then asks whether the move is still its own.
 * A server that slept for minutes may wake here while a later move is copying to this database: it
 * must notice before it deletes a row, and its claim makes the other run stop and begin anew.
 */
export async function claimAsDriver(database: TenantDatabase, { move, token, record }: Pick<MoveRun, "move" | "token" | "record">): Promise<void> {
  await claim(database, move.tenantId, token);
  await record({});
}

/**
 * Removes the tenant from a database that is not its home. A silo is unmade whole: its name holds the
 * epoch it was made for and is never used again, so a late drop cannot hit a later silo.
 */
export async function emptyHome(tools: Pick<MoveTools, "homes" | "silos">, home: Home, run: Pick<MoveRun, "move" | "token" | "record">): Promise<void> {
  const { tenantId } = run.move;
  if (home.kind === "SILO") {
    await run.record({});
    tools.homes.evict(homeKey(home));
    await tools.silos.destroy(tenantId, home);
    return;
  }
  await withHome(tools, home, async ({ database }) => {
    await claimAsDriver(database, run);
    await removeTenant(database, tenantId, run.token);
  });
}
