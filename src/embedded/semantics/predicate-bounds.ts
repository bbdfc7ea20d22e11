import type { Doc } from "./bson-codec.js";
export interface PathBounds {
  path: string;
  equals?: unknown[];
  lower?: { value: unknown; inclusive: boolean };
  upper?: { value: unknown; inclusive: boolean };
}
export function predicateBounds(_filter: Doc): PathBounds[] {
  return [];
}
