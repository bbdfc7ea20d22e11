/*
 * Which top-level fields a read leaves out whatever they hold, so that they need not be decoded.
 * Before it: find and aggregate; after it: engine/raw-fields.ts.
 */
import { asNumber, isDoc, isNumber } from "../engine/values.js";
import type { Doc } from "../semantics/bson-codec.js";

/** The fields of a projection that does nothing but leave out whole fields; undefined for any other. */
export function droppedFields(projection: Doc): ReadonlySet<string> | undefined {
  const entries = Object.entries(projection);
  const plain = entries.length > 0 && entries.every(([path, value]) => !path.includes(".") && !path.startsWith("$") && isOff(value));
  return plain ? new Set(entries.map(([path]) => path)) : undefined;
}

/** The fields that stages drop before any of them can look: only a score may be added on the way to the `$project`. */
export function neverRead(stages: readonly Doc[]): ReadonlySet<string> | undefined {
  for (const stage of stages) {
    const project = stage["$project"];
    if (isDoc(project)) return droppedFields(project);
    const added = stage["$addFields"] ?? stage["$set"];
    if (!isDoc(added) || !Object.entries(added).every(([path, value]) => !path.includes(".") && isMeta(value))) return undefined;
  }
  return undefined;
}

function isMeta(value: unknown): boolean {
  return isDoc(value) && Object.keys(value).join() === "$meta";
}

function isOff(value: unknown): boolean {
  return value === false || (isNumber(value) && asNumber(value) === 0);
}
