import { MongoServerError, type Collection, type Filter } from "mongodb";
import { conflict } from "../../kernel/errors.js";
import type { MoveId, TenantId } from "../../kernel/ids.js";
import type { Home } from "../../tenancy/tenant-record.js";
import type { Tier } from "../../tenancy/tier-policy.js";
import type { MovePhase, MoveStore, PlacementMoveRow } from "./control-plane.js";
import { duplicateKey } from "./duplicate-key.js";

export interface MoveDocument {
  _id: string;
  tenant_id: string;
  from: Home;
  to: Home;
  target_epoch: number;
  from_tier: Tier;
  to_tier: Tier;
  phase: MovePhase;
  /** True until `DONE` or `FAILED`; the unique partial index on it admits one unfinished move a tenant. */
  open: boolean;
  copied: number;
  total: number;
  failure?: string;
  started_at: Date;
  switched_at?: Date;
  finished_at?: Date;
  lease_owner?: string;
  lease_until?: Date;
}

type MoveChange = Partial<Pick<PlacementMoveRow, "phase" | "copied" | "total" | "failure" | "switchedAt" | "finishedAt">>;

export class MongoMoveStore implements MoveStore {
  constructor(private readonly moves: Collection<MoveDocument>) {}

  async begin(move: Pick<PlacementMoveRow, "id" | "tenantId" | "from" | "to" | "targetEpoch" | "fromTier" | "toTier">): Promise<PlacementMoveRow> {
    const row: MoveDocument = {
      _id: move.id,
      tenant_id: move.tenantId,
      from: move.from,
      to: move.to,
      target_epoch: move.targetEpoch,
      from_tier: move.fromTier,
      to_tier: move.toTier,
      phase: "PREPARING",
      open: true,
      copied: 0,
      total: 0,
      started_at: new Date(),
    };
    try {
      await this.moves.insertOne(row, { writeConcern: { w: "majority" } });
    } catch (error) {
      if (error instanceof MongoServerError && error.code === duplicateKey) throw conflict(`A placement move of ${move.tenantId} is under way already`);
      throw error;
    }
    return toRow(row);
  }

  async find(id: MoveId): Promise<PlacementMoveRow | undefined> {
    const found = await this.moves.findOne({ _id: id });
    return found === null ? undefined : toRow(found);
  }

  async latestOf(tenantId: TenantId): Promise<PlacementMoveRow | undefined> {
    const [found] = await this.moves.find({ tenant_id: tenantId }).sort({ started_at: -1 }).limit(1).toArray();
    return found === undefined ? undefined : toRow(found);
  }

  async lease(owner: string, forMs: number, id?: MoveId): Promise<PlacementMoveRow | undefined> {
    const now = new Date();
    const free: Filter<MoveDocument> = {
      ...(id === undefined ? {} : { _id: id }),
      open: true,
      $or: [{ lease_until: { $exists: false } }, { lease_until: { $lt: now } }, { lease_owner: owner }],
    };
    const taken = await this.moves.findOneAndUpdate(
      free,
      { $set: { lease_owner: owner, lease_until: new Date(now.getTime() + forMs) } },
      { returnDocument: "after", writeConcern: { w: "majority" } },
    );
    return taken === null ? undefined : toRow(taken);
  }

  async record(id: MoveId, owner: string, change: MoveChange, leaseForMs: number): Promise<PlacementMoveRow> {
    // The filter is the check: a worker whose lease was taken over must not write one more step.
    const updated = await this.moves.findOneAndUpdate(
      { _id: id, lease_owner: owner, open: true },
      { $set: { ...toFields(change), lease_until: new Date(Date.now() + leaseForMs) } },
      { returnDocument: "after", writeConcern: { w: "majority" } },
    );
    if (updated === null) throw conflict("The placement move is driven by another server now");
    return toRow(updated);
  }

  async release(id: MoveId, owner: string): Promise<void> {
    await this.moves.updateOne({ _id: id, lease_owner: owner }, { $unset: { lease_owner: "", lease_until: "" } });
  }
}

function toFields(change: MoveChange): Partial<MoveDocument> {
  const fields: Partial<MoveDocument> = {};
  if (change.phase !== undefined) {
    fields.phase = change.phase;
    fields.open = change.phase !== "DONE" && change.phase !== "FAILED";
  }
  if (change.copied !== undefined) fields.copied = change.copied;
  if (change.total !== undefined) fields.total = change.total;
  if (change.failure !== undefined) fields.failure = change.failure;
  if (change.switchedAt !== undefined) fields.switched_at = change.switchedAt;
  if (change.finishedAt !== undefined) fields.finished_at = change.finishedAt;
  return fields;
}

function toRow(row: MoveDocument): PlacementMoveRow {
  return {
    id: row._id as MoveId,
    tenantId: row.tenant_id as TenantId,
    from: row.from,
    to: row.to,
    targetEpoch: row.target_epoch,
    fromTier: row.from_tier,
    toTier: row.to_tier,
    phase: row.phase,
    copied: row.copied,
    total: row.total,
    startedAt: row.started_at,
    ...(row.failure === undefined ? {} : { failure: row.failure }),
    ...(row.switched_at === undefined ? {} : { switchedAt: row.switched_at }),
    ...(row.finished_at === undefined ? {} : { finishedAt: row.finished_at }),
    ...(row.lease_owner === undefined ? {} : { leaseOwner: row.lease_owner }),
    ...(row.lease_until === undefined ? {} : { leaseUntil: row.lease_until }),
  };
}
