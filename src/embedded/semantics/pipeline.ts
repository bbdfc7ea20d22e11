/*
 * Aggregation pipelines: each stage compiled once, documents pulled through one by one.
 * Before it: aggregate, which serves $vectorSearch, $out and $merge itself; after it: the stages.
 */
import { EngineError } from "../engine-error.js";
import type { Doc } from "./bson-codec.js";
import { isObject } from "./bson-kinds.js";
import { variables } from "./expression.js";
import { location } from "./expression-operands.js";
import type { Variables } from "./expression-types.js";
import type { PipelineItem, PipelineSource, Stage, StageContext } from "./pipeline-types.js";
import { compileDocumentStage, type DocumentChange } from "./projection.js";
import { limitStage, matchStage, sampleStage, skipStage, sortStage, unwindStage, wholeOperand } from "./stage-flow.js";
import { bucketStage, countStage, groupStage, sortByCountStage } from "./stage-group.js";
import { facetStage, lookupStage, unionStage } from "./stage-join.js";

export type { DocMeta } from "./expression-types.js";
export type { PipelineItem, PipelineSource } from "./pipeline-types.js";

/** Pipelines within pipelines; past this depth the stack would be at a client's mercy. MongoDB's own limit is 20. */
const NESTING_MAX = 20;

/** MongoDB's own limit of stages. */
const LENGTH_MAX = 1000;

/** Stages that only the top of a pipeline may hold, and that are served elsewhere. */
const NOT_WITHIN = new Set(["$out", "$merge", "$vectorSearch", "$search", "$searchMeta", "$collStats", "$indexStats", "$listSearchIndexes", "$facet", "$changeStream"]);

/**
 * Throws at once EngineError 40324 for an unknown stage and MongoDB's codes for wrong specifications;
 * errors of the documents themselves come while the result is read.
 */
export function runStages(
  stages: readonly Doc[],
  input: Iterable<PipelineItem>,
  context: { source: PipelineSource; let?: Doc },
): Iterable<PipelineItem> {
  return compileStages(stages, variables(context.let), context.source, 0)(input);
}

function compileStages(stages: readonly unknown[], vars: Variables, source: PipelineSource, depth: number): Stage {
  if (depth > NESTING_MAX) throw new EngineError(15, "Overflow", `Got pipelines nested deeper than ${NESTING_MAX}`);
  if (stages.length > LENGTH_MAX) throw location(7749501, `Pipeline length must be no longer than ${LENGTH_MAX} stages, got ${stages.length}`);
  const context: StageContext = {
    source,
    vars,
    inner: (inner, innerVars, place) => {
      refuseWithin(inner, place);
      return compileStages(inner, innerVars, source, depth + 1);
    },
  };
  const compiled = stages.map((stage, i) => compileStage(stage, stages[i + 1], context));
  return (items) => compiled.reduce((current, stage) => stage(current), items);
}

function refuseWithin(stages: readonly unknown[], place: string): void {
  for (const stage of stages) {
    const name = isObject(stage) ? Object.keys(stage)[0] : undefined;
    if (name !== undefined && NOT_WITHIN.has(name) && !(name === "$facet" && place === "$lookup")) {
      throw location(place === "$facet" ? 40600 : 51047, `${name} is not allowed to be used within a ${place} stage`);
    }
  }
}

function compileStage(stage: unknown, next: unknown, context: StageContext): Stage {
  if (!isObject(stage) || Object.keys(stage).length !== 1) throw location(40323, "A pipeline stage specification object must contain exactly one field.");
  const [name, spec] = Object.entries(stage)[0]!;
  const change = compileDocumentStage(name, spec, context.vars);
  if (change) return documentStage(change);
  switch (name) {
    case "$match":
      return matchStage(spec, context.vars);
    case "$sort":
      return sortStage(spec, limitAfter(next));
    case "$limit":
      return limitStage(spec);
    case "$skip":
      return skipStage(spec);
    case "$sample":
      return sampleStage(spec);
    case "$unwind":
      return unwindStage(spec);
    case "$group":
      return groupStage(spec, context.vars);
    case "$bucket":
      return bucketStage(spec, context.vars);
    case "$count":
      return countStage(spec);
    case "$sortByCount":
      return sortByCountStage(spec, context.vars);
    case "$lookup":
      return lookupStage(spec, context);
    case "$unionWith":
      return unionStage(spec, context);
    case "$facet":
      return facetStage(spec, context);
  }
  throw new EngineError(40324, "Location40324", `Unrecognized pipeline stage name: '${name}'`);
}

/** A $sort needs to hold no more than the $limit right behind it lets through. */
function limitAfter(next: unknown): number {
  return isObject(next) && Object.hasOwn(next, "$limit") ? wholeOperand(next["$limit"], 1, 15958, "$limit") : Infinity;
}

function documentStage(change: DocumentChange): Stage {
  return function* apply(items) {
    for (const { doc, meta } of items) yield { doc: change(doc, meta), meta };
  };
}
