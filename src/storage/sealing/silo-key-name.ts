import type { SiloHome } from "../../tenancy/tenant-record.js";

/** Name, in the vault, of the key that a silo's rows are sealed with. The database's name carries the epoch and is never used again, so neither is this. */
export function siloKeyName(home: Pick<SiloHome, "database">): string {
  return `silo-data:${home.database}`;
}
