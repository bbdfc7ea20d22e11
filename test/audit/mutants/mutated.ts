/** Wrapped around the argument of a driver call in a copy of the source. One of them at a time, named by `MUTANT`, loses its tenant there. */

/** Where the tenant is the key itself, the whole key goes. */
const keyedByTenant = /^control\/(directory-store|erasure-store|spending-store|key-vault)\.ts /;

export interface Lost {
  readonly name: string;
  readonly value: unknown;
}

/** Arguments that were passed on, and what the mutants would have sent in their place. */
const lost = new WeakMap<object, Lost[]>();

/**
 * With `MUTANT=each` nothing is changed: whoever watches the driver asks here for what each mutant
 * would have sent. Up to the first such call a run with the mutant is the same run, so a watcher that
 * refuses this argument fails that run too.
 */
export function lostOf(argument: unknown): readonly Lost[] {
  return typeof argument === "object" && argument !== null ? (lost.get(argument) ?? []) : [];
}

export function mutated<T>(name: string, value: T): T {
  if (process.env["MUTANT"] === "each" && typeof value === "object" && value !== null) lost.set(value, [...lostOf(value).filter((known) => known.name !== name), { name, value: withoutTenant(value, keyedByTenant.test(name)) }]);
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
