import type { Deadline } from "../kernel/deadline.js";
import type { LeasedCache } from "../kernel/leased-cache.js";
import type { SpanAttributes, Tracing } from "../kernel/tracing.js";
import type { TenantHome } from "../storage/home.js";
import type { TenantStore } from "../storage/tenant-store.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import type { CachedTenantDirectory } from "../tenancy/tenant-directory.js";
import { placementName } from "../tenancy/tenant-record.js";
import { TenantRouter } from "./tenant-router.js";

/** The router with a span around each use of a tenant's store. */
export class TracedRouter extends TenantRouter {
  constructor(directory: CachedTenantDirectory, homes: LeasedCache<TenantHome>, private readonly tracing: Tracing) {
    super(directory, homes);
  }

  override read<T>(context: TenantContext, deadline: Deadline, work: (store: TenantStore) => Promise<T>): Promise<T> {
    return this.tracing.run("store.read", attributesOf(context), () => super.read(context, deadline, work));
  }

  override write<T>(context: TenantContext, deadline: Deadline, work: (store: TenantStore) => Promise<T>): Promise<T> {
    return this.tracing.run("store.write", attributesOf(context), () => super.write(context, deadline, work));
  }
}

function attributesOf({ tenantId, record }: TenantContext): SpanAttributes {
  return { "bulkhead.tenant.id": tenantId, "bulkhead.tenant.placement": placementName(record.placement) };
}
