import { conflict, internal, notFound } from "../kernel/errors.js";
import { isWellFormedId, type AdapterId, type TenantId } from "../kernel/ids.js";
import type { TenantStore } from "../storage/tenant-store.js";
import type { TenantContext } from "../tenancy/tenant-context.js";

// Known to this file alone: nobody else can call the constructor, with or without a cast.
const makerKey = Symbol("maker of TenantModel");

/**
 * A model that belongs to one tenant, found in that tenant's own store. The pool can be asked for such
 * a model by this value alone: no name a caller sends, and no row of another store, becomes one.
 */
export class TenantModel {
  readonly tenantId: TenantId;
  readonly adapterId: AdapterId;
  readonly baseModel: string;
  /** The provider's name of it. */
  readonly upstreamModel: string;

  constructor(key: symbol, fields: { tenantId: TenantId; adapterId: AdapterId; baseModel: string; upstreamModel: string }) {
    if (key !== makerKey || new.target !== TenantModel) throw new TypeError("TenantModel is made from a tenant's own store alone");
    this.tenantId = fields.tenantId;
    this.adapterId = fields.adapterId;
    this.baseModel = fields.baseModel;
    this.upstreamModel = fields.upstreamModel;
    Object.freeze(this);
  }
}

/** Throws `NOT_FOUND` for an id that is missing, deleted, another tenant's or none at all; `CONFLICT` for an adapter that is not `READY`. */
export async function openTenantModel(context: TenantContext, store: TenantStore, id: string): Promise<TenantModel> {
  if (store.tenantId !== context.tenantId) throw internal("The store of another tenant was asked for a tenant's model");
  const row = isWellFormedId("adapter", id) ? await store.adapters.get(id as AdapterId) : undefined;
  if (row === undefined) throw notFound("Adapter");
  if (row.tenantId !== context.tenantId) throw internal("An adapter of another tenant was read and withheld");
  if (row.state !== "READY" || row.upstreamModel === undefined) throw conflict(`The adapter is ${row.state}, only a READY one can be asked`);
  return new TenantModel(makerKey, { tenantId: row.tenantId, adapterId: row.id, baseModel: row.baseModel, upstreamModel: row.upstreamModel });
}
