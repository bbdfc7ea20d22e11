import { tenantSuspended, unauthenticated } from "../kernel/errors.js";
import type { TenantId } from "../kernel/ids.js";
import type { TenantRecord } from "./tenant-record.js";

/**
 * Whether the tenant's callers and jobs are let in, in one place for all that ask. A tenant that is
 * being erased is answered like one that never was: whoever holds its tokens learns nothing of it.
 * Throws `UNAUTHENTICATED`, `TENANT_SUSPENDED`.
 */
export function servedTenant(record: TenantRecord | undefined, tenantId: TenantId): TenantRecord {
  // A record of another tenant would be a fault in the directory; it must never become a context.
  if (record === undefined || record.id !== tenantId) throw unknownTenant();
  switch (record.state) {
    case "ACTIVE":
      return record;
    case "SUSPENDED":
      throw tenantSuspended();
    case "ERASING":
    case "ERASED":
      throw unknownTenant();
  }
}

function unknownTenant(): Error {
  return unauthenticated("The token's tenant is not known here");
}
