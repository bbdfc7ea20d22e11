/*
 * Counts what a filter matches, by keys alone where they say all: then no document is read.
 * Before it: the count and aggregate commands; after it: collection-reader.ts.
 */
import type { Breath } from "./breathe.js";
import type { CollectionState } from "./catalog.js";
import { prepareRead, type ReadRequest } from "./collection-reader.js";
import { documentPrefix, successor } from "./keys.js";
import { planRead } from "./planner.js";
import type { WorkUnit } from "./work-unit.js";

export async function countDocuments(unit: WorkUnit, collection: CollectionState, request: ReadRequest, breath: Breath): Promise<number> {
  const counted = countByKeys(unit, collection, request);
  if (counted !== undefined) return counted;
  let matched = 0;
  for (const found of prepareRead(unit, collection, request).steps()) {
    if (found) matched += 1;
    if (breath.isSpent) await breath.rest();
  }
  return matched;
}

/** Undefined when documents must be looked at. A transaction's own changes are not among the keys. */
export function countByKeys(unit: WorkUnit, collection: CollectionState, request: ReadRequest): number | undefined {
  if (unit.overlay(collection)) return undefined;
  if (Object.keys(request.filter).length === 0) {
    const prefix = documentPrefix(collection.id);
    return unit.view.count(prefix, successor(prefix));
  }
  const plan = planRead(collection, { ...request, usable: (index) => unit.usable(index) });
  if (plan.kind !== "index" || !plan.exact || !plan.once) return undefined;
  return plan.ranges.reduce((sum, { start, end }) => sum + unit.view.count(start, end), 0);
}
