import { Binary, ObjectId } from "bson";
import type { Doc } from "../semantics/bson-codec.js";
import { numberOf } from "./bson-number.js";
import { searchError } from "./search-error.js";

const LOGICAL = ["$and", "$or", "$nor"];
const COMPARISONS = ["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"];
const LISTS = ["$in", "$nin"];

/**
 * Refuses, with EngineError 8, every filter that Atlas's `$vectorSearch` refuses: a path that is not indexed as
 * filter, an operator outside its list, an operand of a type it does not compare.
 */
export function checkSearchFilter(filter: Doc, filterPaths: readonly string[], at = "filter"): void {
  for (const [key, value] of Object.entries(filter)) {
    if (key.startsWith("$")) checkLogical(key, value, filterPaths, at);
    else checkField(key, value, filterPaths, at);
  }
}

/**
 * The values one of which `path` must equal for a document to match, when the filter says so at its top level or
 * in an `$and`; undefined when any value might match. Only for filters that passed `checkSearchFilter`.
 */
export function equalityValues(filter: Doc, path: string): readonly unknown[] | undefined {
  let narrowest: readonly unknown[] | undefined;
  for (const candidate of equalities(filter, path)) {
    if (narrowest === undefined || candidate.length < narrowest.length) narrowest = candidate;
  }
  return narrowest;
}

function* equalities(filter: Doc, path: string): Generator<readonly unknown[]> {
  for (const [key, value] of Object.entries(filter)) {
    if (key === "$and") for (const part of value as Doc[]) yield* equalities(part, path);
    if (key !== path) continue;
    if (!isPlainDocument(value)) yield [value];
    else if (Object.hasOwn(value, "$eq")) yield [value["$eq"]];
    else if (Object.hasOwn(value, "$in")) yield value["$in"] as unknown[];
  }
}

function checkLogical(operator: string, value: unknown, filterPaths: readonly string[], at: string): void {
  if (!LOGICAL.includes(operator)) throw searchError(`"${at}" has the unsupported operator '${operator}', expected one of ${LOGICAL.join(", ")}`);
  if (!Array.isArray(value) || value.length === 0) throw searchError(`"${at}.${operator}" must be a non-empty array`);
  value.forEach((part: unknown, index) => {
    const place = `${at}.${operator}[${index}]`;
    if (!isPlainDocument(part)) throw searchError(`"${place}" must be a document`);
    checkSearchFilter(part, filterPaths, place);
  });
}

function checkField(path: string, value: unknown, filterPaths: readonly string[], at: string): void {
  if (!filterPaths.includes(path)) throw searchError(`Path '${path}' needs to be indexed as filter`);
  if (isPlainDocument(value)) checkOperators(value, `${at}.${path}`);
  else checkOperand(value, `${at}.${path}`);
}

function checkOperators(operators: Doc, at: string): void {
  const entries = Object.entries(operators);
  if (entries.length === 0) throw searchError(`"${at}" must not be an empty document`);
  for (const [operator, operand] of entries) {
    const place = `${at}.${operator}`;
    if (COMPARISONS.includes(operator)) checkOperand(operand, place);
    else if (LISTS.includes(operator)) checkList(operand, place);
    else if (operator === "$exists") checkBoolean(operand, place);
    else if (operator === "$not" && isPlainDocument(operand)) checkOperators(operand, place);
    else throw searchError(`"${at}" has the unsupported operator '${operator}', expected a comparison, $in, $nin, $exists or $not`);
  }
}

function checkList(operand: unknown, at: string): void {
  if (!Array.isArray(operand)) throw searchError(`"${at}" must be an array`);
  if (operand.length === 0) throw searchError(`"${at}" cannot be empty`);
  operand.forEach((item, index) => checkOperand(item, `${at}[${index}]`));
}

function checkBoolean(operand: unknown, at: string): void {
  if (typeof operand !== "boolean") throw searchError(`"${at}" must be a boolean`);
}

function checkOperand(value: unknown, at: string): void {
  if (value === null || typeof value === "string" || typeof value === "boolean" || value instanceof Date) return;
  if (value instanceof ObjectId || numberOf(value) !== undefined) return;
  if (value instanceof Binary && value.sub_type === Binary.SUBTYPE_UUID) return;
  throw searchError(`"${at}" must be a boolean, objectId, number, string, date, uuid or null`);
}

function isPlainDocument(value: unknown): value is Doc {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date) && !("_bsontype" in value);
}

