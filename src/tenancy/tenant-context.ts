import type { RequestId, TenantId, UserId } from "../kernel/ids.js";
import { servedTenant } from "./served-tenant.js";
import type { TenantRecord } from "./tenant-record.js";
import type { TierPolicies, TierPolicy } from "./tier-policy.js";
import type { TenantRole, VerifiedTenantCaller } from "./verified-caller.js";

// Known to this file alone: nobody else can call the constructor, with or without a cast.
const makerKey = Symbol("maker of TenantContext");

/**
 * Who asks, for which tenant, under which limits. The only way to any tenant's data: stores, quotas
 * and the door to the models take this and no tenant id. Frozen, and made once per request here.
 */
export class TenantContext {
  readonly tenantId: TenantId;
  readonly userId: UserId;
  readonly roles: readonly TenantRole[];
  readonly requestId: RequestId;
  /** The directory's row when the request opened: its tier wins over the token's. */
  readonly record: TenantRecord;
  readonly policy: TierPolicy;

  constructor(key: symbol, fields: { tenantId: TenantId; userId: UserId; roles: readonly TenantRole[]; requestId: RequestId; record: TenantRecord; policy: TierPolicy }) {
    if (key !== makerKey || new.target !== TenantContext) throw new TypeError("TenantContext is made in tenancy/ alone");
    this.tenantId = fields.tenantId;
    this.userId = fields.userId;
    this.roles = Object.freeze([...fields.roles]);
    this.requestId = fields.requestId;
    this.record = deepFreeze(fields.record);
    this.policy = fields.policy;
    Object.freeze(this);
  }

  get epoch(): number {
    return this.record.placement.epoch;
  }
}

/** Throws `UNAUTHENTICATED` for a tenant the directory does not know or that is erased, `TENANT_SUSPENDED`. */
export function openTenantContext(
  caller: VerifiedTenantCaller,
  record: TenantRecord | undefined,
  policies: TierPolicies,
  requestId: RequestId,
): TenantContext {
  const served = servedTenant(record, caller.tenantId);
  return new TenantContext(makerKey, { ...caller, record: served, policy: policies[served.tier], requestId });
}

/** The user that background work of a tenant runs as. Not a name that a token's `sub` check would let through. */
const jobUserId = "\u0000job" as UserId;

/** For work without a request (ingestion, moves): always for one tenant, named by the job's own row. Throws as `openTenantContext`. */
export function openJobContext(record: TenantRecord, policies: TierPolicies, requestId: RequestId): TenantContext {
  servedTenant(record, record.id);
  return new TenantContext(makerKey, { tenantId: record.id, userId: jobUserId, roles: [], record, policy: policies[record.tier], requestId });
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) {
    if (typeof inner === "object" && inner !== null && !(inner instanceof Date)) deepFreeze(inner);
  }
  return Object.freeze(value);
}
