import type { Home } from "../tenancy/tenant-record.js";

const siloPrefix = "SILO ";

/** Names a home in a cache. The database's name is unique, and no name contains a space. */
export function homeKey(home: Home): string {
  return home.kind === "POOL" ? "POOL" : `${siloPrefix}${home.database}`;
}

export function homeOfKey(key: string): Home {
  return key === "POOL" ? { kind: "POOL" } : { kind: "SILO", database: key.slice(siloPrefix.length) };
}
