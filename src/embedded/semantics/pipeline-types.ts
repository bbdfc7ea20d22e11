/*
 * What flows through a pipeline, and where its stages find other collections.
 */
import type { Doc } from "./bson-codec.js";
import type { DocMeta, Variables } from "./expression-types.js";

/** `byField` gives the documents that the filter `{path: {$eq: value}}` matches; null also matches missing. */
export interface PipelineSource {
  lookup(collection: string): { all(): Iterable<Doc>; byField(path: string, value: unknown): Iterable<Doc> };
}

/** Scores travel beside a document, so that no stage mistakes them for fields. */
export interface PipelineItem {
  doc: Doc;
  meta?: DocMeta | undefined;
}

export type Stage = (items: Iterable<PipelineItem>) => Iterable<PipelineItem>;

export interface StageContext {
  source: PipelineSource;
  vars: Variables;
  /** Compiles an inner pipeline ($lookup, $facet, $unionWith) with these variables. */
  inner(stages: readonly unknown[], vars: Variables, place: string): Stage;
}
