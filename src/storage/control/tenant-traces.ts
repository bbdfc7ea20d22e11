import type { Collection } from "mongodb";
import type { TenantId } from "../../kernel/ids.js";
import type { Home } from "../../tenancy/tenant-record.js";
import type { TenantTraces } from "./erasure-rows.js";
import type { TimingDocument } from "./timing-store.js";

interface MoveTrace {
  _id: string;
  tenant_id: string;
  from: Home;
  to: Home;
  open: boolean;
}

export class MongoTenantTraces implements TenantTraces {
  constructor(
    private readonly moves: Collection<MoveTrace>,
    private readonly usage: Collection<{ _id: string; tenant_id: string }>,
    private readonly timings: Collection<TimingDocument>,
  ) {}

  async homesOf(tenantId: TenantId): Promise<readonly Home[]> {
    const rows = await this.moves.find({ tenant_id: tenantId }, { projection: { from: 1, to: 1 } }).toArray();
    return rows.flatMap(({ from, to }) => [from, to]);
  }

  async removeMoves(tenantId: TenantId): Promise<number> {
    // One under way is its mover's, which would otherwise find its row gone between two steps.
    const { deletedCount } = await this.moves.deleteMany({ tenant_id: tenantId, open: false }, { writeConcern: { w: "majority" } });
    return deletedCount;
  }

  countMoves(tenantId: TenantId): Promise<number> {
    return this.moves.countDocuments({ tenant_id: tenantId });
  }

  async removeTimings(tenantId: TenantId): Promise<number> {
    const options = { writeConcern: { w: "majority" } } as const;
    const { deletedCount } = await this.timings.deleteMany({ tenant_id: tenantId }, options);
    // Other tenants' rows say for how long this one held them up.
    const { modifiedCount } = await this.timings.updateMany({ "held.tenant_id": tenantId }, { $pull: { held: { tenant_id: tenantId } } }, options);
    return deletedCount + modifiedCount;
  }

  countTimings(tenantId: TenantId): Promise<number> {
    return this.timings.countDocuments({ $or: [{ tenant_id: tenantId }, { "held.tenant_id": tenantId }] });
  }

  countLedgerRows(tenantId: TenantId): Promise<number> {
    return this.usage.countDocuments({ tenant_id: tenantId });
  }
}
