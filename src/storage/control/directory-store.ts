import { MongoServerError, type Collection, type Filter } from "mongodb";
import { conflict, notFound } from "../../kernel/errors.js";
import type { TenantId } from "../../kernel/ids.js";
import type { Page, PageRequest } from "../../kernel/page.js";
import type { Placement, TenantRecord, TenantState } from "../../tenancy/tenant-record.js";
import type { HomeKind, Tier } from "../../tenancy/tier-policy.js";
import type { DirectoryChange, DirectoryStore } from "./control-plane.js";
import { duplicateKey } from "./duplicate-key.js";
import { idCursor, idFromCursor } from "./id-cursor.js";

export interface TenantDocument {
  _id: string;
  name: string;
  tier: Tier;
  state: TenantState;
  placement: Placement;
  placement_override?: HomeKind;
  override_ends_with_tier?: boolean;
  created_at: Date;
  version: number;
}

/** Epoch of a tenant that has never moved. */
const firstEpoch = 1;

export class MongoDirectoryStore implements DirectoryStore {
  constructor(private readonly tenants: Collection<TenantDocument>) {}

  async find(id: TenantId): Promise<TenantRecord | undefined> {
    const found = await this.tenants.findOne({ _id: id }, { maxTimeMS: 5_000 });
    return found === null ? undefined : toRecord(found);
  }

  async create(tenant: { id: TenantId; name: string; tier: Tier; placementOverride?: HomeKind }): Promise<TenantRecord> {
    const row: TenantDocument = {
      _id: tenant.id,
      name: tenant.name,
      tier: tenant.tier,
      state: "ACTIVE",
      placement: { kind: "SETTLED", home: { kind: "POOL" }, epoch: firstEpoch },
      ...(tenant.placementOverride === undefined ? {} : { placement_override: tenant.placementOverride }),
      created_at: new Date(),
      version: 1,
    };
    try {
      await this.tenants.insertOne(row, { writeConcern: { w: "majority" } });
    } catch (error) {
      if (error instanceof MongoServerError && error.code === duplicateKey) throw conflict(`A tenant with the id ${tenant.id} exists already`);
      throw error;
    }
    return toRecord(row);
  }

  async page(request: PageRequest, filter: { tiers?: readonly Tier[]; states?: readonly string[]; without?: readonly string[] }): Promise<Page<TenantRecord>> {
    const query: Filter<TenantDocument> = {
      _id: { ...(request.after === undefined ? {} : { $gt: idFromCursor(request.after) }), $nin: [...(filter.without ?? [])] },
      ...(filter.tiers === undefined ? {} : { tier: { $in: [...filter.tiers] } }),
      ...(filter.states === undefined ? {} : { state: { $in: filter.states.filter(isState) } }),
    };
    const rows = await this.tenants.find(query, { maxTimeMS: 5_000 }).sort({ _id: 1 }).limit(request.first + 1).toArray();
    return {
      items: rows.slice(0, request.first).map((row) => ({ item: toRecord(row), cursor: idCursor(row._id) })),
      hasNextPage: rows.length > request.first,
    };
  }

  async update(record: TenantRecord, { override, ...change }: DirectoryChange): Promise<TenantRecord> {
    const updated = await this.tenants.findOneAndUpdate(
      { _id: record.id, version: record.version },
      {
        $set: { ...change, ...(override ? { placement_override: override.home, override_ends_with_tier: override.endsWithTier } : {}) },
        ...(override === null ? { $unset: { placement_override: "", override_ends_with_tier: "" } } : {}),
        $inc: { version: 1 },
      },
      { returnDocument: "after", writeConcern: { w: "majority" } },
    );
    if (updated !== null) return toRecord(updated);
    if ((await this.tenants.findOne({ _id: record.id })) === null) throw notFound("Tenant");
    throw conflict(`The tenant ${record.id} was changed by someone else meanwhile`);
  }
}

const states: ReadonlySet<string> = new Set<TenantState>(["ACTIVE", "SUSPENDED", "ERASING", "ERASED"]);

function isState(state: string): state is TenantState {
  return states.has(state);
}

function toRecord(row: TenantDocument): TenantRecord {
  return {
    id: row._id as TenantId,
    name: row.name,
    tier: row.tier,
    state: row.state,
    placement: row.placement,
    ...(row.placement_override === undefined ? {} : { placementOverride: row.placement_override }),
    ...(row.override_ends_with_tier === true ? { overrideEndsWithTier: true } : {}),
    createdAt: row.created_at,
    version: row.version,
  };
}
