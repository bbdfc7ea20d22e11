/*
 * Counts what a filter matches; a whole collection is counted by its keys alone.
 * Before it: the count and aggregate commands; after it: collection-reader.ts.
 */
import type { Breath } from "./breathe.js";
import type { CollectionState } from "./catalog.js";
import { prepareRead, type ReadRequest } from "./collection-reader.js";
import { documentPrefix, successor } from "./keys.js";
import type { WorkUnit } from "./work-unit.js";

export async function countDocuments(unit: WorkUnit, collection: CollectionState, request: ReadRequest, breath: Breath): Promise<number> {
  if (Object.keys(request.filter).length === 0 && !unit.overlay(collection)) {
    const prefix = documentPrefix(collection.id);
    return unit.view.count(prefix, successor(prefix));
  }
  let matched = 0;
  for (const found of prepareRead(unit, collection, request).steps()) {
    if (found) matched += 1;
    if (breath.isSpent) await breath.rest();
  }
  return matched;
}
