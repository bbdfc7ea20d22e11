/** Wrapped around the argument of a driver call in a copy of the source. One of them at a time, named by `MUTANT`, loses its tenant there. */

/** Where the tenant is the key itself, the whole key goes. */
const keyedByTenant = /^control\/(directory-store|erasure-store|spending-store|key-vault)\.ts /;

export interface Lost {
  readonly name: string;
  readonly value: unknown;
}

/** What was handed to the driver, and what a mutant would have sent in its place. */
const lost = new WeakMap<object, Lost[]>();

export function lostOf(argument: unknown): readonly Lost[] {
  return typeof argument === "object" && argument !== null ? (lost.get(argument) ?? []) : [];
}

/**
 * With `MUTANT=each` nothing is changed: whoever watches the driver asks `lostOf` what each mutant
 * would have sent. Up to the first such call a run with the mutant is the same run, so a watcher that
 * refuses this argument fails that run too.
 */
export function mutated<T>(name: string, value: T): T {
  const sought = process.env["MUTANT"];
  if (sought !== "each" && sought !== name) return value;
  const changed = withoutTenant(value, keyedByTenant.test(name)) as T;
  const sent = sought === "each" ? value : changed;
  if (typeof sent === "object" && sent !== null) lost.set(sent, [...lostOf(sent).filter((known) => known.name !== name), { name, value: changed }]);
  if (sought === name) process.env["MUTANT_REACHED"] = name;
  return sent;
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
