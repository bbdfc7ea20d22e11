import { MongoServerError, type Collection, type Filter } from "mongodb";
import { conflict, notFound } from "../../kernel/errors.js";
import type { MoveId, TenantId } from "../../kernel/ids.js";
import type { Home } from "../../tenancy/tenant-record.js";
import type { Tier } from "../../tenancy/tier-policy.js";
import type { MoveChange, MovePhase, MoveRequest, MoveStore, PlacementMoveRow, Watermarks } from "./control-plane.js";
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
  /** True until the move has ended; the unique partial index on it admits one unfinished move a tenant. */
  open: boolean;
  copied: number;
  total: number;
  watermarks?: Watermarks;
  copied_to?: { collection: string; id: string };
  reverting: boolean;
  requests: MoveRequest[];
  /** The switch is being made: it is too late to cancel. Any change of phase takes it back. */
  switching: boolean;
  pause_ms?: number;
  failure?: string;
  started_at: Date;
  copy_started_at?: Date;
  switched_at?: Date;
  finished_at?: Date;
  lease_owner?: string;
  lease_until?: Date;
}

const ends: ReadonlySet<MovePhase> = new Set(["DONE", "FAILED", "CANCELLED", "REVERTED"]);

/** When a request can still be heard, and what to say when it cannot. */
const requestable: Readonly<Record<MoveRequest, { readonly phases: readonly MovePhase[]; readonly otherwise: string }>> = {
  CANCEL: {
    phases: ["PREPARING", "COPYING", "FOLLOWING", "VERIFYING", "SWITCHING", "CANCELLING"],
    otherwise: "The move has switched already and cannot be cancelled; while it is OBSERVING it can be reverted",
  },
  REVERT: { phases: ["OBSERVING"], otherwise: "The move is not being observed: before the switch it can be cancelled, after it has ended the tier can be changed back" },
  RETIRE: { phases: ["OBSERVING", "RETIRING"], otherwise: "The move has no old home to retire yet" },
};

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
      reverting: false,
      requests: [],
      switching: false,
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

  async lease(owner: string, forMs: number, id?: MoveId, except: readonly MoveId[] = []): Promise<PlacementMoveRow | undefined> {
    const now = new Date();
    const free: Filter<MoveDocument> = {
      ...(id === undefined ? (except.length === 0 ? {} : { _id: { $nin: [...except] } }) : { _id: id }),
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
    return toRow(await this.#change(id, owner, change, leaseForMs, {}) ?? await this.#lost());
  }

  async recordUnless(id: MoveId, owner: string, request: MoveRequest, change: MoveChange, leaseForMs: number): Promise<PlacementMoveRow | undefined> {
    const changed = await this.#change(id, owner, change, leaseForMs, { requests: { $ne: request } });
    if (changed !== null) return toRow(changed);
    const present = await this.moves.findOne({ _id: id, lease_owner: owner, open: true, requests: request });
    return present === null ? this.#lost() : undefined;
  }

  async request(id: MoveId, request: MoveRequest): Promise<PlacementMoveRow> {
    const { phases, otherwise } = requestable[request];
    const asked = await this.moves.findOneAndUpdate(
      { _id: id, phase: { $in: [...phases] }, ...(request === "CANCEL" ? { switching: false, reverting: false } : {}), ...(request === "REVERT" ? { reverting: false, requests: { $ne: "RETIRE" } } : {}), ...(request === "RETIRE" ? { requests: { $ne: "REVERT" } } : {}) },
      { $addToSet: { requests: request } },
      { returnDocument: "after", writeConcern: { w: "majority" } },
    );
    if (asked !== null) return toRow(asked);
    if ((await this.moves.findOne({ _id: id })) === null) throw notFound("PlacementMove");
    throw conflict(otherwise);
  }

  async #change(id: MoveId, owner: string, change: MoveChange, leaseForMs: number, also: Filter<MoveDocument>): Promise<MoveDocument | null> {
    return this.moves.findOneAndUpdate(
      { _id: id, lease_owner: owner, open: true, ...also },
      { $set: { ...toFields(change), lease_until: new Date(Date.now() + leaseForMs) } },
      { returnDocument: "after", writeConcern: { w: "majority" } },
    );
  }

  async #lost(): Promise<never> {
    throw conflict("The placement move is driven by another server now");
  }

  async release(id: MoveId, owner: string): Promise<void> {
    await this.moves.updateOne({ _id: id, lease_owner: owner }, { $unset: { lease_owner: "", lease_until: "" } });
  }
}

function toFields(change: MoveChange): Partial<MoveDocument> {
  const fields: Partial<MoveDocument> = {};
  if (change.phase !== undefined) {
    fields.phase = change.phase;
    fields.open = !ends.has(change.phase);
    fields.switching = false;
  }
  if (change.switching !== undefined) fields.switching = change.switching;
  if (change.watermarks !== undefined) fields.watermarks = change.watermarks;
  if (change.copiedTo !== undefined) fields.copied_to = change.copiedTo;
  if (change.reverting !== undefined) fields.reverting = change.reverting;
  if (change.targetEpoch !== undefined) fields.target_epoch = change.targetEpoch;
  if (change.pauseMs !== undefined) fields.pause_ms = change.pauseMs;
  if (change.copyStartedAt !== undefined) fields.copy_started_at = change.copyStartedAt;
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
    reverting: row.reverting,
    cancelRequested: row.requests.includes("CANCEL"),
    revertRequested: row.requests.includes("REVERT"),
    retireRequested: row.requests.includes("RETIRE"),
    startedAt: row.started_at,
    ...(row.watermarks === undefined ? {} : { watermarks: row.watermarks.map(({ stripe, seq }) => ({ stripe, seq: Number(seq) })) }),
    ...(row.copied_to === undefined ? {} : { copiedTo: row.copied_to }),
    ...(row.pause_ms === undefined ? {} : { pauseMs: row.pause_ms }),
    ...(row.copy_started_at === undefined ? {} : { copyStartedAt: row.copy_started_at }),
    ...(row.failure === undefined ? {} : { failure: row.failure }),
    ...(row.switched_at === undefined ? {} : { switchedAt: row.switched_at }),
    ...(row.finished_at === undefined ? {} : { finishedAt: row.finished_at }),
    ...(row.lease_owner === undefined ? {} : { leaseOwner: row.lease_owner }),
    ...(row.lease_until === undefined ? {} : { leaseUntil: row.lease_until }),
  };
}
