import type { Doc } from "./bson-codec.js";
import { EngineError } from "../engine-error.js";
export function compileJsonSchema(_schema: unknown): (doc: Doc) => boolean {
  throw new EngineError(2, "BadValue", "The schema is not built yet");
}
