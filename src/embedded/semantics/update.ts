/*
 * Updates by operators, by replacement and by pipeline, read once and applied to many documents.
 * Before it: update, findAndModify, upserts; after it: the operators, and the draft they write to.
 */
import { ObjectId } from "bson";
import { EngineError } from "../engine-error.js";
import { type Doc, refuseDeepNesting } from "./bson-codec.js";
import { describe, isObject, own, put, typeName } from "./bson-kinds.js";
import { valuesEqual } from "./compare.js";
import { variables } from "./expression.js";
import type { Variables } from "./expression-types.js";
import { compileDocumentStage } from "./projection.js";
import { arrayUpdateOperators } from "./update-arrays.js";
import { fieldOperators, renameChange, renameTarget } from "./update-fields.js";
import { type Change, failedToParse, type UpdateOperator } from "./update-operator.js";
import { comparePaths, dollarField, Draft, expandPath, type Path, PathConflicts } from "./update-paths.js";
import { arrayFilterPositions, type PositionOptions } from "./update-positions.js";

export interface UpdateOptions {
  arrayFilters?: Doc[];
  /** The document is about to be inserted: $setOnInsert applies and _id may be set. */
  isUpsertInsert?: boolean;
  /** The query that selected the document; `$` takes its position from it. */
  filter?: Doc;
  /** Values of the command's `let`, for updates by pipeline. */
  let?: Doc;
}

export type Update = (doc: Doc) => Doc;

const OPERATORS = new Map<string, UpdateOperator>(Object.entries({ ...fieldOperators, ...arrayUpdateOperators }));
const PIPELINE_STAGES = new Set(["$addFields", "$set", "$unset", "$project", "$replaceRoot", "$replaceWith"]);

interface PathUpdate {
  path: Path;
  /** Absent where the path only takes part in the check of conflicts: a rename's source, $setOnInsert of an update. */
  change?: Change;
}

/** Returns a new document and leaves `doc` as it was. Throws EngineError with MongoDB's codes (2, 9, 14, 15, 28, 40, 52, 56, 66). */
export function applyUpdate(doc: Doc, update: Doc | Doc[], options: UpdateOptions = {}): Doc {
  return compileUpdate(update, options)(doc);
}

/** What `applyUpdate` does, read once for many documents. */
export function compileUpdate(update: Doc | Doc[], options: UpdateOptions = {}): Update {
  const vars = variables(options.let);
  if (Array.isArray(update)) return keepingId(compilePipeline(update, vars), options);
  const first = Object.keys(update)[0];
  if (first === undefined || !first.startsWith("$")) return replacement(update);
  return keepingId(compileOperators(update, vars, options), options);
}

function keepingId(apply: Update, options: UpdateOptions): Update {
  return (doc) => {
    const updated = apply(doc);
    refuseDeepNesting(updated);
    const before = own(doc, "_id");
    if (before === undefined && (options.isUpsertInsert ?? false)) return updated;
    if (valuesEqual(before, own(updated, "_id"))) return updated;
    throw new EngineError(66, "ImmutableField", "Performing an update on the path '_id' would modify the immutable field '_id'");
  };
}

function replacement(update: Doc): Update {
  const dollar = Object.keys(update).find((key) => key.startsWith("$"));
  if (dollar !== undefined) {
    throw new EngineError(52, "DollarPrefixedFieldName", `The dollar ($) prefixed field '${dollar}' in '${dollar}' is not allowed in the context of an update's replacement document. Consider using an aggregation pipeline with $replaceWith.`);
  }
  return (doc) => {
    const id = own(doc, "_id");
    const wanted = own(update, "_id");
    if (id === undefined) return withIdFirst(update);
    if (wanted !== undefined && !valuesEqual(id, wanted)) {
      throw new EngineError(66, "ImmutableField", `After applying the update, the (immutable) field '_id' was found to have been altered to _id: ${describe(wanted)}`);
    }
    // Spread defines `__proto__` as a field, where an assignment would not.
    return withIdFirst({ ...update, _id: id });
  };
}

function withIdFirst(doc: Doc): Doc {
  return Object.hasOwn(doc, "_id") ? { _id: doc["_id"], ...doc } : { ...doc };
}

function compilePipeline(stages: readonly Doc[], vars: Variables): Update {
  const steps = stages.map((stage) => {
    if (!isObject(stage) || Object.keys(stage).length !== 1) {
      throw new EngineError(40323, "Location40323", "A pipeline stage specification object must contain exactly one field.");
    }
    const [name, spec] = Object.entries(stage)[0]!;
    const step = PIPELINE_STAGES.has(name) ? compileDocumentStage(name, spec, vars) : undefined;
    if (!step) throw new EngineError(72, "InvalidOptions", `${name} is not allowed to be used within an update`);
    return step;
  });
  return (doc) => {
    const updated = steps.reduce((current, step) => step(current), doc);
    // The server puts the old _id back when a new root has none.
    return Object.hasOwn(updated, "_id") || !Object.hasOwn(doc, "_id") ? withIdFirst(updated) : { _id: doc["_id"], ...updated };
  };
}

function compileOperators(update: Doc, vars: Variables, options: UpdateOptions & PositionOptions): Update {
  const updates = Object.entries(update).flatMap(([name, operand]) => readOperator(name, operand, vars, options));
  updates.sort((a, b) => comparePaths(a.path, b.path));
  checkConflicts(updates);
  const positions = arrayFilterPositions(updates.map(({ path }) => path), options);
  const special = updates.some(({ path }) => path.some((part) => part.startsWith("$")));
  return (doc) => {
    const draft = new Draft(doc);
    // Two paths with `$[]` and `$[id]` can turn out to be one; plain ones were compared already.
    const written = special ? new PathConflicts() : undefined;
    for (const { path, change } of updates) {
      if (!change) continue;
      for (const concrete of special ? expandPath(draft.root, path, positions(doc)) : [path]) {
        written?.add(concrete);
        change({ draft, path: concrete });
      }
    }
    return draft.root;
  };
}

/** Sorted, a path stands right before those that it contains. */
function checkConflicts(updates: readonly PathUpdate[]): void {
  for (let i = 1; i < updates.length; i++) {
    const conflicts = new PathConflicts();
    conflicts.add(updates[i - 1]!.path);
    conflicts.add(updates[i]!.path);
  }
}

function readOperator(name: string, operand: unknown, vars: Variables, options: UpdateOptions): PathUpdate[] {
  const operator = OPERATORS.get(name);
  if (!operator && name !== "$rename") {
    throw failedToParse(`Unknown modifier: ${name}. Expected a valid update modifier or pipeline-style update specified as an array`);
  }
  if (!isObject(operand)) {
    throw failedToParse(`Modifiers operate on fields but we found type ${typeName(operand)} instead. For example: {$mod: {<field>: ...}} not {${name}: ${describe(operand)}}`);
  }
  return Object.entries(operand).flatMap(([field, value]): PathUpdate[] => {
    const path = updatePath(field);
    if (!operator) return renameUpdates(field, value);
    const change = operator(value, field, vars);
    return [name === "$setOnInsert" && !options.isUpsertInsert ? { path } : { path, change }];
  });
}

function renameUpdates(from: string, to: unknown): PathUpdate[] {
  const target = renameTarget(from, to);
  return [
    { path: updatePath(from) },
    { path: updatePath(target), change: renameChange(from, target) },
  ];
}

function updatePath(field: string): Path {
  const path = field.split(".");
  if (path.includes("")) throw new EngineError(56, "EmptyFieldName", `The update path '${field}' contains an empty field name, which is not allowed.`);
  if (path[0]!.startsWith("$")) throw dollarField(path[0]!, path);
  return path;
}

/** The document an upsert inserts when nothing matched; an _id is made if neither filter nor update gives one. */
export function documentFromUpsert(filter: Doc, update: Doc | Doc[], options: Omit<UpdateOptions, "isUpsertInsert" | "filter"> = {}): Doc {
  const isReplacement = !Array.isArray(update) && !Object.keys(update)[0]?.startsWith("$");
  const equalities = filterEqualities(filter);
  const draft = new Draft({});
  const conflicts = new PathConflicts();
  for (const [field, value] of equalities) {
    if (isReplacement && field !== "_id") continue;
    const path = field.split(".");
    addEquality(conflicts, path, field);
    draft.set(path, value);
  }
  const made = applyUpdate(draft.root, update, { ...options, isUpsertInsert: true });
  if (!Object.hasOwn(made, "_id")) put(made, "_id", new ObjectId());
  return withIdFirst(made);
}

function addEquality(conflicts: PathConflicts, path: Path, field: string): void {
  try {
    conflicts.add(path);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    throw new EngineError(54, "NotSingleValueField", `cannot infer query fields to set, path '${field}' is matched twice`);
  }
}

/** Fields that the filter fixes to one value, also within $and and an $or of one branch. */
function filterEqualities(filter: Doc): [string, unknown][] {
  return Object.entries(filter).flatMap(([key, operand]): [string, unknown][] => {
    if ((key === "$and" || (key === "$or" && Array.isArray(operand) && operand.length === 1)) && Array.isArray(operand)) {
      return (operand as Doc[]).flatMap(filterEqualities);
    }
    if (key.startsWith("$")) return [];
    const value = fixedValue(operand);
    return value === undefined ? [] : [[key, value]];
  });
}

function fixedValue(operand: unknown): unknown {
  if (typeName(operand) === "regex") return undefined;
  if (!isObject(operand) || !Object.keys(operand)[0]?.startsWith("$")) return operand;
  if (Object.hasOwn(operand, "$eq")) return operand["$eq"];
  const list = operand["$in"] ?? operand["$all"];
  if (!Array.isArray(list) || list.length !== 1) return undefined;
  return isObject(list[0]) && Object.keys(list[0])[0]?.startsWith("$") ? undefined : fixedValue(list[0]);
}
