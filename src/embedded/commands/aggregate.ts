import { EngineError } from "../engine-error.js";
import { Breath, collectBreathing } from "../engine/breathe.js";
import { prepareRead, readSorted, type PreparedRead } from "../engine/collection-reader.js";
import { countByKeys } from "../engine/count-documents.js";
import { notServed, typeMismatch } from "../engine/errors.js";
import { docArray, flag, isDoc, optionalDoc } from "../engine/values.js";
import type { WorkUnit } from "../engine/work-unit.js";
import { encode, type Doc } from "../semantics/bson-codec.js";
import { runStages, type PipelineItem, type PipelineSource } from "../semantics/pipeline.js";
import { batchSizeOf, firstBatch } from "./batch.js";
import { collectionName, namespaceOf, readUnit, type Command, type CommandContext } from "./command.js";
import { countingStage } from "./counted-group.js";
import { neverRead } from "./dropped-fields.js";
import { explainReply } from "./explain-plan.js";
import { describeSearchIndexes } from "./list-search-indexes.js";
import { hintOf, refuseCollation } from "./query-options.js";
import { searchVectors } from "./vector-search.js";

const WRITING_STAGES = new Set(["$out", "$merge"]);
/** What only makes sense as the source of documents. */
const FIRST_ONLY = new Set(["$vectorSearch", "$listSearchIndexes"]);

export const aggregate: Command = {
  name: "aggregate",
  fields: ["pipeline", "cursor", "explain", "allowDiskUse", "let", "hint", "collation", "bypassDocumentValidation"],
  inTransaction: true,
  served: "the stages of semantics/pipeline.ts, $vectorSearch and $listSearchIndexes first; refused: $out, $merge, $changeStream, collation, database-level aggregation",
  run: async (context) => {
    const { body } = context;
    if (typeof body["aggregate"] !== "string") throw notServed("An aggregation on a database");
    const name = collectionName(context, "aggregate");
    const stages = parsePipeline(body);
    if (flag(body, "explain")) return explainReply(context, name, firstRead(context, name, stages));
    const cursor = body["cursor"];
    if (!isDoc(cursor)) throw new EngineError(9, "FailedToParse", "The 'cursor' option is required, except for aggregate with the explain argument");
    const items = await runPipeline(context, name, stages);
    return firstBatch(context, namespaceOf(context, name), encoded(items), { batchSize: batchSizeOf(cursor), singleBatch: false });
  },
};

/** Checked before anything is read. Throws EngineError 40602, 40324 and the like. */
export function parsePipeline(body: Doc): Doc[] {
  refuseCollation(body);
  if (!Array.isArray(body["pipeline"])) throw typeMismatch("aggregate.pipeline", body["pipeline"], "array");
  const stages = docArray(body, "pipeline");
  for (const [at, stage] of stages.entries()) {
    const name = Object.keys(stage)[0] ?? "";
    if (WRITING_STAGES.has(name)) throw notServed(`The stage ${name}`);
    if (name === "$changeStream") throw notServed("The stage $changeStream");
    if (FIRST_ONLY.has(name) && at > 0) throw new EngineError(40602, "Location40602", `${name} is only valid as the first stage in a pipeline`);
  }
  return stages;
}

async function runPipeline(context: CommandContext, name: string, stages: readonly Doc[]): Promise<Iterable<PipelineItem>> {
  const unit = readUnit(context);
  const [first] = stages;
  const variables = optionalDoc(context.body, "let");
  const pipelineContext = { source: sourceOf(unit), ...(variables ? { let: variables } : {}) };
  if (first && "$vectorSearch" in first) {
    return runStages(stages.slice(1), searchVectors(context, unit, name, first["$vectorSearch"], neverRead(stages.slice(1))), pipelineContext);
  }
  if (first && "$listSearchIndexes" in first) {
    const listed = describeSearchIndexes(context, name, first["$listSearchIndexes"]);
    return runStages(stages.slice(1), listed.map((doc) => ({ doc })), pipelineContext);
  }
  const counted = countedByKeys(context, unit, name, stages);
  if (counted) {
    // Run on nothing, since that is what refuses a wrong specification.
    runStages(stages.slice(1, 2), [], pipelineContext);
    return runStages(stages.slice(2), counted.map((doc) => ({ doc })), pipelineContext);
  }
  const { read, rest } = firstRead(context, name, stages);
  // Compiled first: a wrong stage is refused before the collection is walked.
  const input: PipelineItem[] = [];
  const results = runStages(rest, input, pipelineContext);
  if (!read) return results;
  if (rest.length === 0 || isStreamed(rest)) return runStages(rest, items(read), pipelineContext);
  for (const item of await collectBreathing(steps(read), new Breath(context.breath.deadlineMs))) input.push(item);
  return results;
}

/** The result of a `$match` whose documents are only counted behind it; undefined when keys alone do not tell. */
function countedByKeys(context: CommandContext, unit: WorkUnit | undefined, name: string, [first, second]: readonly Doc[]): Doc[] | undefined {
  const collection = unit?.database.catalog.get(name);
  const filter = first?.["$match"];
  const counting = countingStage(second);
  if (!unit || !collection || !isDoc(filter) || !counting) return undefined;
  const count = countByKeys(unit, collection, { filter, hint: hintOf(context.body) });
  return count === undefined ? undefined : counting(count);
}

/** A `$limit` that ends the walk early must not be preceded by a walk of everything. */
function isStreamed(stages: readonly Doc[]): boolean {
  return stages.some((stage) => "$limit" in stage) && !stages.some((stage) => "$group" in stage || "$sort" in stage);
}

export interface FirstRead {
  read: PreparedRead | undefined;
  rest: readonly Doc[];
}

/** A leading $match, and a $sort behind it that an index serves, are left to the planner. */
export function firstRead(context: CommandContext, name: string, stages: readonly Doc[], stats?: { keysExamined: number; docsExamined: number }): FirstRead {
  const unit = readUnit(context);
  const collection = unit?.database.catalog.get(name);
  const match = stages[0]?.["$match"];
  const filter = isDoc(match) ? match : {};
  const afterMatch = isDoc(match) ? stages.slice(1) : stages;
  if (!unit || !collection) return { read: undefined, rest: stages };
  const sort = afterMatch[0]?.["$sort"];
  const request = { filter, hint: hintOf(context.body), let: optionalDoc(context.body, "let"), ...(stats ? { stats } : {}) };
  if (isDoc(sort)) {
    const sorted = prepareRead(unit, collection, { ...request, sort });
    if (!sorted.sort) return { read: sorted, rest: afterMatch.slice(1) };
  }
  return { read: prepareRead(unit, collection, request), rest: afterMatch };
}

function* items(read: PreparedRead): Generator<PipelineItem> {
  for (const found of readSorted(read)) if (found) yield { doc: found.doc };
}

function* steps(read: PreparedRead): Generator<PipelineItem | undefined> {
  for (const found of readSorted(read)) yield found && { doc: found.doc };
}

function* encoded(items: Iterable<PipelineItem>): Generator<Buffer> {
  for (const { doc } of items) yield encode(doc);
}

function sourceOf(unit: WorkUnit | undefined): PipelineSource {
  const read = function* (name: string, filter: Doc): Generator<Doc> {
    const collection = unit?.database.catalog.get(name);
    if (!unit || !collection) return;
    for (const found of prepareRead(unit, collection, { filter }).documents()) yield found.doc;
  };
  return {
    lookup: (name) => ({ all: () => read(name, {}), byField: (path, value) => read(name, { [path]: { $eq: value } }) }),
  };
}
