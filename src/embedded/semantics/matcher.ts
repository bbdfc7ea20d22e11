import type { Doc } from "./bson-codec.js";
import { EngineError } from "../engine-error.js";
export function compileMatcher(filter: Doc, _options: { let?: Doc } = {}): (doc: Doc) => boolean {
  if (Object.keys(filter).length === 0) return () => true;
  throw new EngineError(2, "BadValue", "The matcher is not built yet");
}
