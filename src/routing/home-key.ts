import type { Home } from "../tenancy/tenant-record.js";

const siloPrefix = "SILO";
const separator = " ";

/** Names a home in a cache. No name of a database or a cluster contains a space, so no two homes share a key. */
export function homeKey(home: Home): string {
  if (home.kind === "POOL") return home.kind;
  return [siloPrefix, home.database, ...(home.cluster === undefined ? [] : [home.cluster])].join(separator);
}

export function homeOfKey(key: string): Home {
  if (key === "POOL") return { kind: "POOL" };
  const [, database = "", cluster] = key.split(separator);
  return { kind: "SILO", database, ...(cluster === undefined ? {} : { cluster }) };
}
