import type { TenantId } from "../kernel/ids.js";
import type { HomeKind } from "../tenancy/tier-policy.js";

/** A filter as a store writes it: the tenant is not among its fields. */
export type Narrowing = Readonly<Record<string, unknown>> & { readonly tenant_id?: never };

/**
 * The one place where the tenant gets into what is sent to the database. Two implementations, one a
 * placement; everything above is the same for both.
 */
export interface Scope {
  readonly tenantId: TenantId;
  readonly home: HomeKind;
  /** How the vector index of this placement is asked: exactly, or with so many candidates. */
  vectorEffort(limit: number): { readonly exact: true } | { readonly numCandidates: number };
  /** Adds the tenant to a filter of a query, an update, a deletion or a vector search. */
  filter(narrowing: Narrowing): Record<string, unknown>;
  /** The stored `_id` of the tenant's object with this id. */
  key(id: string): string;
  /** Back from the stored `_id`. Only for a row that `belongsToTenant` has let through. */
  id(key: string): string;
}

/** Cannot occur in a tenant id, so no two tenants share a key. */
const separator = "/";

export function tenantKey(tenantId: TenantId, id: string): string {
  return `${tenantId}${separator}${id}`;
}

export function idOfKey(tenantId: TenantId, key: string): string {
  return key.slice(tenantId.length + separator.length);
}

/** The tenant comes last, so that no field of the narrowing can take its place; the rest is a conjunction with it. */
export function tenantFilter(tenantId: TenantId, narrowing: Narrowing): Record<string, unknown> {
  return { ...narrowing, tenant_id: tenantId };
}
