/*
 * Stages that read other collections or run pipelines within: $lookup, $unionWith, $facet.
 */
import type { Doc } from "./bson-codec.js";
import { describe, isObject, own, put, typeName } from "./bson-kinds.js";
import { compileExpression, pathParts } from "./expression.js";
import { location, named, variableName } from "./expression-operands.js";
import type { Evaluate, Variables } from "./expression-types.js";
import { encodeKey } from "./key-encoding.js";
import type { PipelineItem, Stage, StageContext } from "./pipeline-types.js";
import { addFields, insertPath, pathTree } from "./projection-tree.js";

type Foreign = (doc: Doc) => Iterable<Doc>;

export function lookupStage(spec: unknown, context: StageContext): Stage {
  const fields = named("$lookup", spec, ["as"], ["from", "localField", "foreignField", "let", "pipeline"]);
  const { from, as, localField, foreignField, pipeline } = fields;
  if (typeof from !== "string") throw location(4572, `$lookup argument 'from' must be a string, got ${describe(from)}`);
  if (typeof as !== "string") throw location(4570, `$lookup argument 'as' must be a string, got ${describe(as)}`);
  const joined = typeof localField === "string" && typeof foreignField === "string";
  if (!joined && (localField !== undefined || foreignField !== undefined)) throw location(4572, "$lookup requires both or neither of 'localField' and 'foreignField' to be specified as strings");
  if (!joined && pipeline === undefined) throw location(4572, "$lookup requires either 'pipeline' or both 'localField' and 'foreignField' to be specified");
  const collection = context.source.lookup(from);
  const foreign: Foreign = joined ? equalTo(localField, foreignField, collection) : () => collection.all();
  const refine = pipeline === undefined ? (_doc: Doc, docs: Iterable<Doc>) => docs : innerPipeline(fields, context);
  return joinStage(as, (doc) => [...refine(doc, foreign(doc))]);
}

function joinStage(as: string, find: (doc: Doc) => Doc[]): Stage {
  pathParts(as);
  let found: Doc[] = [];
  const tree = pathTree<Evaluate>();
  insertPath(tree, as, () => found);
  return function* join(items) {
    for (const { doc, meta } of items) {
      found = find(doc);
      yield { doc: addFields(tree, doc, { root: doc, vars: {} }) as Doc, meta };
    }
  };
}

type Collection = ReturnType<StageContext["source"]["lookup"]>;

/** A document joins whatever equals one of the values that its path reaches. */
function equalTo(localField: string, foreignField: string, collection: Collection): Foreign {
  const parts = pathParts(localField);
  return (doc) => {
    const values: unknown[] = [];
    collectValues(doc, parts, 0, values);
    // Nothing reached, by a missing field or an empty array, joins as null, which equals null and missing.
    if (values.length < 2) return collection.byField(foreignField, values[0] ?? null);
    return anyOf(values, foreignField, collection);
  };
}

/** An array at the end gives its elements, one on the way what its documents, or the one at the position, have. */
function collectValues(value: unknown, parts: readonly string[], at: number, found: unknown[]): void {
  if (at === parts.length) {
    // One by one: spread into a call, a long array would overflow the stack.
    if (Array.isArray(value)) for (const item of value as unknown[]) found.push(item);
    else if (value !== undefined) found.push(value);
  } else if (isObject(value)) {
    collectValues(own(value, parts[at]!), parts, at + 1, found);
  } else if (Array.isArray(value)) {
    value.forEach((item: unknown, index) => {
      if (isObject(item)) collectValues(item, parts, at, found);
      if (parts[at] === String(index)) collectValues(item, parts, at + 1, found);
    });
  }
}

function* anyOf(values: readonly unknown[], path: string, collection: Collection): Iterable<Doc> {
  const seen = new Set<string>();
  for (const value of values) {
    for (const doc of collection.byField(path, value)) {
      const key = encodeKey([doc["_id"]]).toString("latin1");
      if (!seen.has(key)) yield doc;
      seen.add(key);
    }
  }
}

function innerPipeline(fields: Doc, context: StageContext): (doc: Doc, docs: Iterable<Doc>) => Iterable<Doc> {
  const { let: bindings = {}, pipeline } = fields;
  if (!isObject(bindings)) throw location(9, `$lookup argument 'let' must be an object, got ${describe(bindings)}`);
  if (!Array.isArray(pipeline)) throw location(9, `$lookup argument 'pipeline' must be an array, got ${describe(pipeline)}`);
  const values = Object.entries(bindings).map(([name, value]): [string, Evaluate] => [variableName(name, "$lookup"), compileExpression(value, context.vars)]);
  const bind = (doc: Doc | undefined): Variables => {
    const vars: Record<string, unknown> = { ...context.vars };
    for (const [name, evaluate] of values) vars[name] = doc && evaluate({ root: doc, vars: context.vars });
    return vars;
  };
  // Compiled once before any document, so that a wrong pipeline fails on an empty collection too.
  const constant = context.inner(pipeline, bind(undefined), "$lookup");
  return (doc, docs) => {
    const stage = values.length === 0 ? constant : context.inner(pipeline, bind(doc), "$lookup");
    return docsOf(stage(itemsOf(docs)));
  };
}

function* itemsOf(docs: Iterable<Doc>): Iterable<PipelineItem> {
  for (const doc of docs) yield { doc };
}

function* docsOf(items: Iterable<PipelineItem>): Iterable<Doc> {
  for (const { doc } of items) yield doc;
}

export function unionStage(spec: unknown, context: StageContext): Stage {
  const fields = typeof spec === "string" ? { coll: spec } : named("$unionWith", spec, ["coll"], ["pipeline"]);
  const { coll, pipeline = [] } = fields;
  if (typeof coll !== "string") throw location(9, `$unionWith needs the name of a collection, got ${describe(coll)}`);
  if (!Array.isArray(pipeline)) throw location(9, `$unionWith argument 'pipeline' must be an array, got ${describe(pipeline)}`);
  const stage = context.inner(pipeline, context.vars, "$unionWith");
  return function* union(items) {
    yield* items;
    yield* stage(itemsOf(context.source.lookup(coll).all()));
  };
}

export function facetStage(spec: unknown, context: StageContext): Stage {
  if (!isObject(spec)) throw location(40169, `the $facet specification must be a non-empty object, got ${typeName(spec)}`);
  const facets = Object.entries(spec).map(([name, stages]): [string, Stage] => {
    if (!Array.isArray(stages)) throw location(40170, `arguments to $facet must be arrays, ${name} is type ${typeName(stages)}`);
    return [name, context.inner(stages, context.vars, "$facet")];
  });
  if (facets.length === 0) throw location(40169, "the $facet specification must be a non-empty object");
  return (items) => {
    const input = [...items];
    const doc: Doc = {};
    for (const [name, stage] of facets) put(doc, name, [...docsOf(stage(input))]);
    return [{ doc }];
  };
}
