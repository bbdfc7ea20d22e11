import type { TenantId } from "../kernel/ids.js";
import type { SiloHome } from "../tenancy/tenant-record.js";

/** What stands between a silo and everyone else, as the deployment allows it. */
export interface SiloIsolation {
  /** `OWN`: a user with rights to this database alone. `SHARED`: the deployment lets us make none. */
  readonly credential: "OWN" | "SHARED";
  /** Version of the tenant's key that new rows are sealed with. */
  readonly keyVersion: number;
  /** The cluster's name; the main deployment when left out. */
  readonly cluster?: string;
}

/** What `destroy` removed. */
export interface SiloRemoval {
  readonly database: boolean;
  readonly user: boolean;
  readonly key: boolean;
}

/**
 * Makes and unmakes silos: database, declared collections, validators and indexes, search index,
 * a user with rights to it alone, and the tenant's key. Works with the cluster's own credential,
 * never with a tenant's.
 */
export interface SiloProvider {
  /** Where a new silo is to live: a name never used before, on `cluster` or else where the fewest are. Throws `BAD_USER_INPUT` for an unknown cluster. */
  place(tenantId: TenantId, epoch: number, cluster?: string): Promise<SiloHome>;
  /** Returns when the silo can be leased and its search index queried. Repeating it changes nothing. Throws `SERVICE_UNAVAILABLE`. */
  prepare(tenantId: TenantId, home: SiloHome): Promise<void>;
  /** Drops the database and the user and destroys key and password. Repeating it changes nothing. Throws `SERVICE_UNAVAILABLE`. */
  destroy(tenantId: TenantId, home: SiloHome): Promise<SiloRemoval>;
  isolation(tenantId: TenantId, home: SiloHome): Promise<SiloIsolation>;
}
