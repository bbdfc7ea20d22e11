/** Wrapped around the argument of a driver call in a copy of the source. One of them at a time, named by `MUTANT`, loses its tenant there. */

/** Where the tenant is the key itself, the whole key goes. */
const keyedByTenant = /^control\/(directory-store|erasure-store|spending-store|key-vault)\.ts /;

export function mutated<T>(name: string, value: T): T {
  if (process.env["MUTANT"] !== name) return value;
  process.env["MUTANT_REACHED"] = name;
  return withoutTenant(value, keyedByTenant.test(name)) as T;
}

/** Of a filter, a pipeline, rows or bulk operations: everything in it that names a tenant is left out. */
function withoutTenant(value: unknown, withoutKey: boolean): unknown {
  if (Array.isArray(value)) return value.map((item: unknown) => withoutTenant(item, withoutKey));
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).flatMap(([field, inner]): [string, unknown][] => {
    if (field === "tenant_id" || field === "held.tenant_id" || field === "owner") return [];
    if (field === "_id" && withoutKey) return [];
    // The key of a fence: the stripe stays.
    if (field === "_id" && typeof inner === "object" && inner !== null && "tenant" in inner && "stripe" in inner) return [["_id.stripe", (inner as { stripe: unknown }).stripe]];
    return [[field, withoutTenant(inner, withoutKey)]];
  }));
}
