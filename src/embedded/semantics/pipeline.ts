import type { Doc } from "./bson-codec.js";
import { EngineError } from "../engine-error.js";
import type { DocMeta } from "./expression-types.js";
export type { DocMeta } from "./expression-types.js";
export interface PipelineSource {
  lookup(collection: string): { all(): Iterable<Doc>; byField(path: string, value: unknown): Iterable<Doc> };
}
export interface PipelineItem {
  doc: Doc;
  meta?: DocMeta | undefined;
}
export interface PipelineContext {
  source: PipelineSource;
  let?: Doc;
}
export function runStages(stages: readonly Doc[], input: Iterable<PipelineItem>, _context: PipelineContext): Iterable<PipelineItem> {
  if (stages.length === 0) return input;
  throw new EngineError(40324, "Location40324", "Pipeline stages are not built yet");
}
