import type { Doc } from "../semantics/bson-codec.js";
import { compileMatcher } from "../semantics/matcher.js";
import { integerOf } from "./bson-number.js";
import type { VectorField, VectorIndexDefinition } from "./index-definition.js";
import { searchError } from "./search-error.js";
import { checkSearchFilter, equalityValues } from "./search-filter.js";
import type { DocMatcher } from "./slot-table.js";
import { prepareVector, readVector } from "./vector-value.js";

/** A checked `$vectorSearch`, as `VectorIndex.search` takes it. */
export interface VectorQuery {
  /** Position of the searched field among the definition's vector fields. */
  field: number;
  /** Of the field's dimensions; of length one under cosine. */
  vector: Float32Array;
  matches: DocMatcher | undefined;
  /** Values one of which the first filter field must equal; undefined: any. */
  partitionValues: readonly unknown[] | undefined;
  limit: number;
}

const STAGE_KEYS = ["index", "path", "queryVector", "filter", "limit", "numCandidates", "exact"];
/** Atlas's own ceiling, which bounds `limit` too. */
const CANDIDATES_MAX = 10_000;

/**
 * The name of the index a `$vectorSearch` stage asks for. An index that does not exist is no error on Atlas:
 * the stage then yields nothing. Throws EngineError 8 when the name is missing.
 */
export function searchedIndexName(stage: Doc): string {
  const name = stage["index"];
  if (typeof name !== "string" || name === "") throw searchError(`"index" must be a non-empty string`);
  return name;
}

/**
 * Checks the body of a `$vectorSearch` stage against the index it names.
 * Throws EngineError 8 on every request Atlas refuses.
 */
export function parseVectorSearchStage(stage: Doc, definition: VectorIndexDefinition): VectorQuery {
  const stranger = Object.keys(stage).find((key) => !STAGE_KEYS.includes(key));
  if (stranger !== undefined) throw searchError(`unrecognized field "${stranger}" in $vectorSearch, expected only ${STAGE_KEYS.join(", ")}`);
  const position = parsePath(stage["path"], definition);
  const filter = parseFilter(stage["filter"], definition);
  const first = definition.filterPaths[0];
  return {
    field: position.index,
    vector: parseQueryVector(stage["queryVector"], position.field),
    matches: filter && compileMatcher(filter),
    partitionValues: filter && first !== undefined ? equalityValues(filter, first) : undefined,
    limit: parseLimit(stage),
  };
}

function parsePath(path: unknown, definition: VectorIndexDefinition): { index: number; field: VectorField } {
  if (typeof path !== "string" || path === "") throw searchError(`"path" must be a non-empty string`);
  const index = definition.vectors.findIndex((field) => field.path === path);
  const field = definition.vectors[index];
  if (field === undefined) throw searchError(`Path '${path}' needs to be indexed as vector`);
  return { index, field };
}

function parseQueryVector(value: unknown, field: VectorField): Float32Array {
  const elements = readVector(value);
  if (elements === undefined) throw searchError(`"queryVector" must be an array of numbers or a float32 binary vector`);
  if (elements.length !== field.numDimensions) {
    throw searchError(`vector field is indexed with ${field.numDimensions} dimensions but queried with ${elements.length}`);
  }
  const vector = prepareVector(elements, field);
  if (vector === undefined) {
    throw searchError(`"queryVector" must hold finite float32 numbers${field.similarity === "cosine" ? " and not only zeros under cosine" : ""}`);
  }
  return vector;
}

function parseFilter(filter: unknown, definition: VectorIndexDefinition): Doc | undefined {
  if (filter === undefined) return undefined;
  if (typeof filter !== "object" || filter === null || Array.isArray(filter) || filter instanceof Date || "_bsontype" in filter) {
    throw searchError(`"filter" must be a document`);
  }
  checkSearchFilter(filter as Doc, definition.filterPaths);
  return filter as Doc;
}

/** The search is exact either way; the candidates' number is checked so that what runs here runs on Atlas. */
function parseLimit(stage: Doc): number {
  const exact = stage["exact"] ?? false;
  if (typeof exact !== "boolean") throw searchError(`"exact" must be a boolean`);
  const limit = parseCount(stage["limit"], "limit");
  if (exact && stage["numCandidates"] !== undefined) throw searchError(`"numCandidates" must be omitted when "exact" is true`);
  if (exact) return limit;
  if (stage["numCandidates"] === undefined) throw searchError(`"numCandidates" is required when "exact" is false or omitted`);
  const numCandidates = parseCount(stage["numCandidates"], "numCandidates");
  if (limit > numCandidates) {
    throw searchError(`"limit" must be at most "numCandidates", got ${limit} and ${numCandidates}`);
  }
  return limit;
}

function parseCount(value: unknown, name: string): number {
  if (value === undefined) throw searchError(`"${name}" is required`);
  const count = integerOf(value);
  if (count === undefined || count < 1 || count > CANDIDATES_MAX) {
    throw searchError(`"${name}" must be an integer within bounds [1, ${CANDIDATES_MAX}], got ${count ?? "no integer"}`);
  }
  return count;
}
