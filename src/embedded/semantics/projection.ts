import type { Doc } from "./bson-codec.js";
import { EngineError } from "../engine-error.js";
import type { DocMeta } from "./expression-types.js";
export function compileProjection(spec: Doc, _options: { let?: Doc } = {}): (doc: Doc, meta?: DocMeta) => Doc {
  if (Object.keys(spec).length === 0) return (doc) => doc;
  throw new EngineError(2, "BadValue", "Projections are not built yet");
}
