import { MongoServerError, type Collection } from "mongodb";
import { conflict } from "../../kernel/errors.js";
import type { TenantId } from "../../kernel/ids.js";
import type { Home } from "../../tenancy/tenant-record.js";
import { duplicateKey } from "./duplicate-key.js";
import type { ErasureChange, ErasurePhase, ErasureRow, ErasureStatus, ErasureStore, KeptPart, RemovedPart, UnreachablePart } from "./erasure-rows.js";

export interface ErasureDocument {
  /** The tenant: one erasure each, ever. */
  _id: string;
  phase: ErasurePhase;
  status: ErasureStatus;
  /** True while there is work to do. */
  open: boolean;
  homes: Home[];
  emptied: string[];
  found: RemovedPart[];
  removed: RemovedPart[];
  kept: KeptPart[];
  unreachable: UnreachablePart[];
  rounds: number;
  started_at: Date;
  verified_at?: Date;
  finished_at?: Date;
  lease_owner?: string;
  lease_until?: Date;
}

const majority = { writeConcern: { w: "majority" } } as const;

export class MongoErasureStore implements ErasureStore {
  constructor(private readonly erasures: Collection<ErasureDocument>) {}

  async begin(tenantId: TenantId): Promise<ErasureRow> {
    const fresh: ErasureDocument = { _id: tenantId, phase: "STOPPING", status: "IN_PROGRESS", open: true, homes: [], emptied: [], found: [], removed: [], kept: [], unreachable: [], rounds: 0, started_at: new Date() };
    try {
      await this.erasures.insertOne(fresh, majority);
      return toRow(fresh);
    } catch (error) {
      if (!(error instanceof MongoServerError) || error.code !== duplicateKey) throw error;
    }
    // What was removed stays on the receipt; only the rest is tried again.
    await this.erasures.updateOne(
      { _id: tenantId, status: "PARTIAL" },
      { $set: { phase: "STOPPING", status: "IN_PROGRESS", open: true, unreachable: [], rounds: 0 }, $unset: { verified_at: "", finished_at: "", lease_owner: "", lease_until: "" } },
      majority,
    );
    return (await this.find(tenantId)) ?? toRow(fresh);
  }

  async find(tenantId: TenantId): Promise<ErasureRow | undefined> {
    const found = await this.erasures.findOne({ _id: tenantId });
    return found === null ? undefined : toRow(found);
  }

  async lease(owner: string, forMs: number): Promise<ErasureRow | undefined> {
    const now = new Date();
    const taken = await this.erasures.findOneAndUpdate(
      { open: true, $or: [{ lease_until: { $exists: false } }, { lease_until: { $lt: now } }, { lease_owner: owner }] },
      { $set: { lease_owner: owner, lease_until: new Date(now.getTime() + forMs) } },
      { returnDocument: "after", ...majority },
    );
    return taken === null ? undefined : toRow(taken);
  }

  async record(tenantId: TenantId, owner: string, change: ErasureChange, leaseForMs: number): Promise<ErasureRow> {
    // The filter is the check: a server whose lease was taken over must not record one more step.
    const updated = await this.erasures.findOneAndUpdate(
      { _id: tenantId, lease_owner: owner, open: true },
      { $set: { ...toFields(change), lease_until: new Date(Date.now() + leaseForMs) } },
      { returnDocument: "after", ...majority },
    );
    if (updated === null) throw conflict("The erasure is driven by another server now");
    return toRow(updated);
  }

  async release(tenantId: TenantId, owner: string): Promise<void> {
    await this.erasures.updateOne({ _id: tenantId, lease_owner: owner }, { $unset: { lease_owner: "", lease_until: "" } });
  }
}

function toFields({ homes, emptied, found, removed, kept, unreachable, verifiedAt, finishedAt, ...same }: ErasureChange): Partial<ErasureDocument> {
  return {
    ...same,
    ...(same.status === undefined ? {} : { open: same.status === "IN_PROGRESS" }),
    ...(homes === undefined ? {} : { homes: [...homes] }),
    ...(emptied === undefined ? {} : { emptied: [...emptied] }),
    ...(found === undefined ? {} : { found: [...found] }),
    ...(removed === undefined ? {} : { removed: [...removed] }),
    ...(kept === undefined ? {} : { kept: [...kept] }),
    ...(unreachable === undefined ? {} : { unreachable: [...unreachable] }),
    ...(verifiedAt === undefined ? {} : { verified_at: verifiedAt }),
    ...(finishedAt === undefined ? {} : { finished_at: finishedAt }),
  };
}

function toRow(row: ErasureDocument): ErasureRow {
  const { phase, status, homes, emptied, found, removed, kept, unreachable, rounds } = row;
  return {
    tenantId: row._id as TenantId,
    phase, status, homes, emptied, found, removed, kept, unreachable, rounds,
    startedAt: row.started_at,
    ...(row.verified_at === undefined ? {} : { verifiedAt: row.verified_at }),
    ...(row.finished_at === undefined ? {} : { finishedAt: row.finished_at }),
    ...(row.lease_owner === undefined ? {} : { leaseOwner: row.lease_owner }),
    ...(row.lease_until === undefined ? {} : { leaseUntil: row.lease_until }),
  };
}
