import type { Doc } from "./bson-codec.js";
import { EngineError } from "../engine-error.js";
export interface UpdateOptions {
  arrayFilters?: Doc[];
  isUpsertInsert?: boolean;
  filter?: Doc;
  let?: Doc;
}
export function applyUpdate(_doc: Doc, _update: Doc | Doc[], _options: UpdateOptions = {}): Doc {
  throw new EngineError(2, "BadValue", "Updates are not built yet");
}
export function documentFromUpsert(filter: Doc, update: Doc | Doc[]): Doc {
  return applyUpdate(filter, update);
}
