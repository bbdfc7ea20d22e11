/*
 * Projections of find and $project, and the fields that $addFields adds, compiled once.
 * Before it: find, findAndModify, pipeline stages; after it: expressions and projection-tree.
 */
import type { Doc } from "./bson-codec.js";
import { isNumber, truthy } from "./arithmetic.js";
import { describe, isObject, own } from "./bson-kinds.js";
import { compileExpression, pathParts, variables } from "./expression.js";
import { location } from "./expression-operands.js";
import type { DocMeta, Evaluate, Variables } from "./expression-types.js";
import { compileElementTest } from "./matcher.js";
import { plainNumber, toInteger } from "./numbers.js";
import { addFields, changeAt, dropFields, insertPath, keepFields, pathTree } from "./projection-tree.js";

export type DocumentChange = (doc: Doc, meta?: DocMeta) => Doc;

export interface ProjectionOptions {
  /** Values of the command's `let`. */
  let?: Doc;
  /** Inside a pipeline `$slice` is an expression, `$elemMatch` is unknown, and `$meta` alone keeps no other field. */
  stage?: boolean;
}

type Rule =
  | { type: "include" | "exclude"; path: string }
  | { type: "compute" | "meta"; path: string; evaluate: Evaluate }
  | { type: "slice"; path: string; change: (value: unknown) => unknown };

/**
 * Throws EngineError 31253 or 31254 for a mix of inclusion and exclusion, 31249 or 31250 for paths that
 * overlap, 51272 for an empty `$project`.
 */
export function compileProjection(spec: Doc, options: ProjectionOptions = {}): DocumentChange {
  return compileWith(spec, variables(options.let), options.stage ?? false);
}

/** As `compileProjection` with `stage`, on variables of a running pipeline. */
const compileProject = (spec: Doc, vars: Variables): DocumentChange => compileWith(spec, vars, true);

function compileWith(spec: Doc, vars: Variables, stage: boolean): DocumentChange {
  const rules = flatten(spec, "").map(([path, value]) => readRule(path, value, vars, stage));
  if (rules.length === 0) {
    if (stage) throw location(51272, "Invalid $project :: caused by :: projection specification must have at least one field");
    return (doc) => doc;
  }
  return build(rules, isInclusion(rules, stage), vars);
}

/** `{a: {b: 1}}` is `{"a.b": 1}`. */
function flatten(spec: Doc, prefix: string): [string, unknown][] {
  return Object.entries(spec).flatMap(([key, value]): [string, unknown][] => {
    const path = prefix + key;
    if (!isObject(value)) return [[path, value]];
    const first = Object.keys(value)[0];
    if (first === undefined) throw location(51270, `An empty sub-projection is not a valid value. Found empty object at path ${path}`);
    return first.startsWith("$") ? [[path, value]] : flatten(value, `${path}.`);
  });
}

function readRule(path: string, value: unknown, vars: Variables, stage: boolean): Rule {
  if (path === "$" || path.endsWith(".$")) throw location(31276, `The positional projection '${path}' is not served by this engine; use $elemMatch or $filter`);
  pathParts(path);
  if (typeof value === "boolean" || isNumber(value)) return { type: truthy(value) ? "include" : "exclude", path };
  if (isObject(value) && !stage) {
    if (Object.hasOwn(value, "$elemMatch")) return { type: "compute", path, evaluate: firstMatching(path, value["$elemMatch"], vars) };
    const change = sliceChange(value["$slice"]);
    if (change) return { type: "slice", path, change };
  }
  const evaluate = compileExpression(value, vars);
  return { type: isObject(value) && Object.hasOwn(value, "$meta") && !stage ? "meta" : "compute", path, evaluate };
}

function firstMatching(path: string, operand: unknown, vars: Variables): Evaluate {
  if (path.includes(".")) throw location(31275, `Cannot use $elemMatch projection on a nested field, got '${path}'`);
  if (!isObject(operand)) throw location(31274, `elemMatch: Invalid argument, object required, but got ${describe(operand)}`);
  const test = compileElementTest(operand, vars);
  return (frame) => {
    const value = own(frame.root, path);
    const found = Array.isArray(value) ? (value as unknown[]).filter((item) => test(item)).slice(0, 1) : [];
    return found.length > 0 ? found : undefined;
  };
}

/** `$slice: n` or `$slice: [skip, n]`; anything else is the expression of that name. */
function sliceChange(operand: unknown): ((value: unknown) => unknown) | undefined {
  const list: unknown[] = Array.isArray(operand) ? operand : [operand];
  if (list.length > 2 || !list.every(isNumber)) return undefined;
  const [first = 0, count] = list.map((item) => Number(toInteger(plainNumber(item)) ?? 0n));
  if (count !== undefined && count <= 0) throw location(28724, `$slice limit must be positive, got ${count}`);
  return (value) => (Array.isArray(value) ? cut(value, first, count) : value);
}

function cut(list: unknown[], first: number, count: number | undefined): unknown[] {
  if (count === undefined) return first >= 0 ? list.slice(0, first) : list.slice(first);
  const start = first >= 0 ? first : Math.max(0, list.length + first);
  return list.slice(start, start + count);
}

/** The first rule that decides, `_id` last; `$slice` and `$meta` of find alone keep everything else. */
function isInclusion(rules: readonly Rule[], stage: boolean): boolean {
  const isDecisive = (rule: Rule): boolean => rule.type === "include" || rule.type === "exclude" || rule.type === "compute";
  const first = rules.find((rule) => rule.path !== "_id" && isDecisive(rule)) ?? (rules.every((rule) => rule.path === "_id") ? rules[0] : undefined);
  return first ? first.type === "include" || first.type === "compute" : stage || rules.some((rule) => rule.type === "include");
}

function build(rules: readonly Rule[], inclusion: boolean, vars: Variables): DocumentChange {
  const named = pathTree<true>();
  const computed = pathTree<Evaluate>();
  const slices: { parts: string[]; change: (value: unknown) => unknown }[] = [];
  // A second tree sees collisions between computed and plain paths, which live in two trees.
  const all = pathTree<true>();
  for (const rule of rules) {
    insertPath(all, rule.path, true);
    if (rule.type === "slice") slices.push({ parts: rule.path.split("."), change: rule.change });
    if (rule.type === "compute" || rule.type === "meta") insertPath(computed, rule.path, checked(rule, inclusion));
    else if (isNamed(rule, inclusion)) insertPath(named, rule.path, true);
  }
  if (inclusion && !rules.some((rule) => rule.path === "_id" || rule.path.startsWith("_id."))) insertPath(named, "_id", true);
  return (doc, meta) => {
    let result = inclusion ? keepFields(named, doc) : (dropFields(named, doc) as Doc);
    for (const { parts, change } of slices) result = changeAt(result, parts, change) as Doc;
    if (computed.fields.size > 0) result = addFields(computed, result, { root: doc, vars, meta }) as Doc;
    return idFirst(result);
  };
}

function checked(rule: Rule & { evaluate: Evaluate }, inclusion: boolean): Evaluate {
  if (rule.type === "compute" && !inclusion) throw location(31252, `Cannot use an expression on field ${rule.path} in exclusion projection`);
  return rule.evaluate;
}

function isNamed(rule: Rule, inclusion: boolean): boolean {
  if (rule.type === "slice") return inclusion;
  if ((rule.type === "include") === inclusion) return true;
  if (rule.path === "_id") return false;
  throw inclusion
    ? location(31254, `Cannot do exclusion on field ${rule.path} in inclusion projection`)
    : location(31253, `Cannot do inclusion on field ${rule.path} in exclusion projection`);
}

/** Documents begin with their _id, computed or not. */
function idFirst(doc: Doc): Doc {
  if (!Object.hasOwn(doc, "_id") || Object.keys(doc)[0] === "_id") return doc;
  return { _id: doc["_id"], ...doc };
}

/** Throws 40177 for an empty specification. */
function compileAddFields(spec: unknown, vars: Variables, name: string): DocumentChange {
  if (!isObject(spec)) throw location(40272, `${name} specification stage must be an object, got ${describe(spec)}`);
  const pairs = flatten(spec, "");
  if (pairs.length === 0) throw location(40177, `Invalid ${name} :: caused by :: specification must have at least one field`);
  const tree = pathTree<Evaluate>();
  for (const [path, value] of pairs) {
    pathParts(path);
    insertPath(tree, path, compileExpression(value, vars));
  }
  return (doc, meta) => addFields(tree, doc, { root: doc, vars, meta }) as Doc;
}

/** A path or an array of paths. */
function compileUnset(spec: unknown): DocumentChange {
  const paths: unknown[] = Array.isArray(spec) ? spec : [spec];
  if (paths.length === 0) throw location(31119, "$unset specification must be a string or an array with at least one field");
  const tree = pathTree<true>();
  for (const path of paths) {
    if (typeof path !== "string") throw location(31120, `$unset specification must be a string or an array containing only string values, got ${describe(path)}`);
    pathParts(path);
    insertPath(tree, path, true);
  }
  return (doc) => dropFields(tree, doc) as Doc;
}

/** `newRoot` of $replaceRoot, or the operand of $replaceWith. */
function compileReplaceRoot(expression: unknown, vars: Variables): DocumentChange {
  const evaluate = compileExpression(expression, vars);
  return (doc, meta) => {
    const root = evaluate({ root: doc, vars, meta });
    if (isObject(root)) return root;
    throw location(40228, `'newRoot' expression must evaluate to an object, but resulting value was: ${describe(root)}. Input document: ${describe(doc)}`);
  };
}

/** Stages that turn one document into one other; `undefined` for the rest. */
export function compileDocumentStage(name: string, spec: unknown, vars: Variables): DocumentChange | undefined {
  switch (name) {
    case "$addFields":
    case "$set":
      return compileAddFields(spec, vars, name);
    case "$unset":
      return compileUnset(spec);
    case "$project":
      if (!isObject(spec)) throw location(15969, "$project specification must be an object");
      return compileProject(spec, vars);
    case "$replaceWith":
      return compileReplaceRoot(spec, vars);
    case "$replaceRoot":
      if (!isObject(spec) || !Object.hasOwn(spec, "newRoot")) throw location(40231, `no newRoot specified for the $replaceRoot stage, got ${describe(spec)}`);
      return compileReplaceRoot(spec["newRoot"], vars);
  }
  return undefined;
}
