import type { KeptPart, RemovedPart, UnreachablePart } from "../../storage/control/erasure-rows.js";
import type { Home } from "../../tenancy/tenant-record.js";

/** How a receipt names a home. */
export function storeName(home: Home): string {
  if (home.kind === "POOL") return "pool";
  return home.cluster === undefined ? `silo ${home.database}` : `silo ${home.database} on ${home.cluster}`;
}

/**
 * Adds what was found or removed. The larger count of one thing stands: a step that is run again
 * after a crash finds what is left, and must neither double nor lower what the first run noted.
 */
export function withRemoved(removed: readonly RemovedPart[], more: readonly RemovedPart[]): readonly RemovedPart[] {
  const byName = new Map(removed.map((part) => [`${part.store}\n${part.what}`, part]));
  for (const part of more) {
    const key = `${part.store}\n${part.what}`;
    if (part.count > (byName.get(key)?.count ?? 0)) byName.set(key, part);
  }
  return [...byName.values()];
}

/** What was found in one store. */
export function foundIn(found: readonly RemovedPart[], name: string): readonly RemovedPart[] {
  return found.filter(({ store }) => store === name);
}

/** One reason a store: the latest. */
export function withUnreachable(unreachable: readonly UnreachablePart[], more: UnreachablePart): readonly UnreachablePart[] {
  return [...unreachable.filter(({ store }) => store !== more.store), more];
}

/** What no erasure takes away, and why. `ledgerRows` is counted when the rest is gone. */
export function keptParts(tenantId: string, ledgerRows: number): readonly KeptPart[] {
  return [
    ...(ledgerRows === 0 ? [] : [{ what: `${ledgerRows} rows of the usage ledger, and their sums by hour`, why: "bills must stay provable; they name users by pseudonyms, and the key that made those is destroyed" }]),
    { what: `the id ${tenantId} in the directory, without its name`, why: "it is never given to another tenant, whom tokens of this one would then let in" },
    { what: "one closed fence in the pool", why: "a server that slept through the erasure finds it closed and writes nothing" },
    { what: "the names of destroyed secrets", why: "a server that asks for one is refused instead of given a new one; the secrets themselves are gone" },
    { what: "this receipt", why: "it proves what was done, and holds counts and no content" },
    { what: "lines of logs and traces already written", why: "they are outside the server's reach; they hold ids and never text, and end with your log retention" },
    { what: "backups made by the deployment's owner", why: "they are outside the server's reach; text from a silo in them cannot be read without the destroyed key, if the control plane's own backups are gone" },
  ];
}
