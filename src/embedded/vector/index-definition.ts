import { EngineError } from "../engine-error.js";
import type { Doc } from "../semantics/bson-codec.js";
import { integerOf } from "./bson-number.js";

export type Similarity = "cosine" | "dotProduct" | "euclidean";

export interface VectorField {
  path: string;
  /** Length of every vector of this field, 1 to 8192. */
  numDimensions: number;
  similarity: Similarity;
  /** Kept and reported as given; both are answered by exact search, which has the recall of neither to lose. */
  indexingMethod: "flat" | "hnsw";
}

export interface VectorIndexDefinition {
  name: string;
  vectors: readonly VectorField[];
  /** In the order given: the first one chooses the partition. */
  filterPaths: readonly string[];
}

/** Atlas's own ceiling on `numDimensions`; the kernel's query area is sized by it too. */
export const DIMENSIONS_MAX = 8192;

const SIMILARITIES: readonly string[] = ["cosine", "dotProduct", "euclidean"] satisfies Similarity[];
const VECTOR_KEYS = ["type", "path", "numDimensions", "similarity", "indexingMethod", "quantization", "hnswOptions"];
const FILTER_KEYS = ["type", "path"];

/**
 * Reads the `definition` of a `createSearchIndexes` entry of type `vectorSearch`.
 * Throws EngineError 2 (BadValue) on anything Atlas refuses or this engine does not serve, naming the field.
 */
export function parseVectorIndexDefinition(name: string, definition: Doc): VectorIndexDefinition {
  refuseUnknownKeys(definition, ["fields"], "definition");
  const fields = definition["fields"];
  if (!Array.isArray(fields) || fields.length === 0) {
    throw invalid(`"definition.fields" must be a non-empty array, got ${describe(fields)}`);
  }
  const vectors: VectorField[] = [];
  const filterPaths: string[] = [];
  fields.forEach((field: unknown, position) => {
    const at = `definition.fields[${position}]`;
    const spec = asDocument(field, at);
    const path = parsePath(spec["path"], at);
    if (filterPaths.includes(path) || vectors.some((other) => other.path === path)) {
      throw invalid(`"${at}.path" repeats the path '${path}', expected each path once`);
    }
    if (spec["type"] === "vector") vectors.push(parseVectorField(spec, path, at));
    else if (spec["type"] === "filter") filterPaths.push(parseFilterField(spec, path, at));
    else throw invalid(`"${at}.type" must be one of [vector, filter], got ${describe(spec["type"])}`);
  });
  if (vectors.length === 0) throw invalid(`"definition.fields" must contain at least one field of type vector`);
  return { name, vectors, filterPaths };
}

function parseFilterField(spec: Doc, path: string, at: string): string {
  refuseUnknownKeys(spec, FILTER_KEYS, at);
  return path;
}

function parseVectorField(spec: Doc, path: string, at: string): VectorField {
  refuseUnknownKeys(spec, VECTOR_KEYS, at);
  const numDimensions = integerOf(spec["numDimensions"]);
  if (numDimensions === undefined || numDimensions < 1 || numDimensions > DIMENSIONS_MAX) {
    throw invalid(`"${at}.numDimensions" must be an integer within bounds [1, ${DIMENSIONS_MAX}], got ${describe(spec["numDimensions"])}`);
  }
  const similarity = spec["similarity"];
  if (!isSimilarity(similarity)) {
    throw invalid(`"${at}.similarity" must be one of [${SIMILARITIES.join(", ")}], got ${describe(similarity)}`);
  }
  if (spec["quantization"] !== undefined && spec["quantization"] !== "none") {
    throw invalid(`"${at}.quantization" must be none on this engine, got ${describe(spec["quantization"])}`);
  }
  return { path, numDimensions, similarity, indexingMethod: parseIndexingMethod(spec, at) };
}

function parseIndexingMethod(spec: Doc, at: string): "flat" | "hnsw" {
  const method = spec["indexingMethod"] ?? "hnsw";
  if (method !== "flat" && method !== "hnsw") {
    throw invalid(`"${at}.indexingMethod" must be one of [flat, hnsw], got ${describe(method)}`);
  }
  if (spec["hnswOptions"] === undefined) return method;
  if (method === "flat") throw invalid(`"${at}.hnswOptions" must be absent when indexingMethod is flat`);
  const options = asDocument(spec["hnswOptions"], `${at}.hnswOptions`);
  refuseUnknownKeys(options, ["maxEdges", "numEdgeCandidates"], `${at}.hnswOptions`);
  requireBounds(options["maxEdges"], 16, 64, `${at}.hnswOptions.maxEdges`);
  requireBounds(options["numEdgeCandidates"], 100, 3200, `${at}.hnswOptions.numEdgeCandidates`);
  return method;
}

function requireBounds(value: unknown, least: number, most: number, at: string): void {
  if (value === undefined) return;
  const number = integerOf(value);
  if (number === undefined || number < least || number > most) {
    throw invalid(`"${at}" must be an integer within bounds [${least}, ${most}], got ${describe(value)}`);
  }
}

function parsePath(path: unknown, at: string): string {
  if (typeof path !== "string" || path === "") {
    throw invalid(`"${at}.path" must be a non-empty string, got ${describe(path)}`);
  }
  // An empty segment or a `$` segment can never name a stored field, so the index would stay silently empty.
  if (path.split(".").some((segment) => segment === "" || segment.startsWith("$"))) {
    throw invalid(`"${at}.path" must be a dotted field path, got '${path}'`);
  }
  return path;
}

function isSimilarity(value: unknown): value is Similarity {
  return typeof value === "string" && SIMILARITIES.includes(value);
}

function asDocument(value: unknown, at: string): Doc {
  if (typeof value !== "object" || value === null || Array.isArray(value) || "_bsontype" in value || value instanceof Date) {
    throw invalid(`"${at}" must be a document, got ${describe(value)}`);
  }
  return value as Doc;
}

function refuseUnknownKeys(doc: Doc, known: readonly string[], at: string): void {
  const stranger = Object.keys(doc).find((key) => !known.includes(key));
  if (stranger !== undefined) throw invalid(`"${at}" has the unrecognized field '${stranger}', expected only ${known.join(", ")}`);
}

function describe(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty array" : "an array";
  return typeof value === "object" && value !== null ? String(integerOf(value) ?? "a document") : JSON.stringify(value);
}

function invalid(message: string): EngineError {
  return new EngineError(2, "BadValue", message);
}
