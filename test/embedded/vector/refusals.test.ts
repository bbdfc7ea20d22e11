import { Binary, Decimal128, Int32, ObjectId, UUID } from "bson";
import { describe, expect, it } from "vitest";
import { EngineError } from "../../../src/embedded/engine-error.js";
import type { Doc } from "../../../src/embedded/semantics/bson-codec.js";
import { parseVectorIndexDefinition } from "../../../src/embedded/vector/index-definition.js";
import { parseVectorSearchStage, searchedIndexName } from "../../../src/embedded/vector/search-stage.js";

const vectorField: Doc = { type: "vector", path: "v", numDimensions: new Int32(3), similarity: "cosine" };
const definition = parseVectorIndexDefinition("v", { fields: [vectorField, { type: "filter", path: "tenant" }, { type: "filter", path: "kind" }] });
const stage: Doc = { index: "v", path: "v", queryVector: [1, 0, 0], limit: 5, numCandidates: 50 };

function refusal(act: () => unknown): EngineError {
  try {
    act();
  } catch (error) {
    if (error instanceof EngineError) return error;
    throw error;
  }
  throw new RangeError("Nothing was refused");
}

function values(filter: Doc): readonly unknown[] | undefined {
  return parseVectorSearchStage({ ...stage, filter }, definition).partitionValues;
}

describe("an index definition is refused by the name of its field", () => {
  it.each<[string, Doc, string]>([
    ["no fields", {}, "definition.fields"],
    ["an unknown setting", { fields: [vectorField], numPartitions: 2 }, "numPartitions"],
    ["only filters", { fields: [{ type: "filter", path: "a" }] }, "type vector"],
    ["an unknown type", { fields: [{ type: "autoEmbed", path: "a" }] }, "fields[0].type"],
    ["a path twice", { fields: [vectorField, { type: "filter", path: "v" }] }, "repeats the path 'v'"],
    ["an empty path", { fields: [{ ...vectorField, path: "" }] }, "fields[0].path"],
    ["a path of an operator", { fields: [{ ...vectorField, path: "a.$b" }] }, "fields[0].path"],
    ["no dimensions", { fields: [{ ...vectorField, numDimensions: 0 }] }, "numDimensions"],
    ["too many dimensions", { fields: [{ ...vectorField, numDimensions: 8193 }] }, "numDimensions"],
    ["half a dimension", { fields: [{ ...vectorField, numDimensions: 1.5 }] }, "numDimensions"],
    ["an unknown similarity", { fields: [{ ...vectorField, similarity: "l1" }] }, "similarity"],
    ["quantization", { fields: [{ ...vectorField, quantization: "scalar" }] }, "quantization"],
    ["an unknown method", { fields: [{ ...vectorField, indexingMethod: "ivf" }] }, "indexingMethod"],
    ["hnsw options out of bounds", { fields: [{ ...vectorField, hnswOptions: { maxEdges: 8 } }] }, "maxEdges"],
  ])("%s", (_, spec, named) => {
    const error = refusal(() => parseVectorIndexDefinition("v", spec));
    expect(error.code).toBe(2);
    expect(error.message).toContain(named);
  });
});

describe("a $vectorSearch stage is refused as Atlas refuses it", () => {
  it.each<[string, Doc, string]>([
    ["a path that is no vector field", { path: "tenant" }, "Path 'tenant' needs to be indexed as vector"],
    ["another dimension", { queryVector: [1, 0] }, "vector field is indexed with 3 dimensions but queried with 2"],
    ["no query vector", { queryVector: undefined }, "queryVector"],
    ["a text in the vector", { queryVector: [1, "0", 0] }, "queryVector"],
    ["not a number", { queryVector: [1, Number.NaN, 0] }, "queryVector"],
    ["an infinite element", { queryVector: [1e39, 0, 0] }, "queryVector"],
    ["zeros under cosine", { queryVector: [0, 0, 0] }, "zeros"],
    ["an int8 binary vector", { queryVector: Binary.fromInt8Array(Int8Array.of(1, 0, 0)) }, "queryVector"],
    ["no candidates", { numCandidates: undefined }, '"numCandidates" is required'],
    ["too many candidates", { numCandidates: 10_001 }, "numCandidates"],
    ["candidates beside exact", { exact: true }, "numCandidates"],
    ["more results than candidates", { limit: 51 }, '"limit" must be at most "numCandidates"'],
    ["no limit", { limit: undefined }, '"limit" is required'],
    ["a limit of zero", { limit: 0 }, '"limit"'],
    ["an unknown field", { k: 3 }, '"k"'],
    ["a filter that is no document", { filter: [] }, '"filter" must be a document'],
    ["a filter field not indexed", { filter: { other: 1 } }, "Path 'other' needs to be indexed as filter"],
    ["one hidden in $or", { filter: { $or: [{ tenant: "a" }, { other: 1 }] } }, "Path 'other' needs to be indexed as filter"],
    ["an operator not served", { filter: { tenant: { $regex: "a" } } }, "$regex"],
    ["an operator on top", { filter: { $expr: true } }, "$expr"],
    ["an empty $in", { filter: { tenant: { $in: [] } } }, "cannot be empty"],
    ["an embedded document", { filter: { tenant: { a: 1 } } }, "filter.tenant"],
    ["an empty document", { filter: { tenant: {} } }, "filter.tenant"],
    ["an array operand", { filter: { tenant: ["a"] } }, "filter.tenant"],
    ["a document under $eq", { filter: { tenant: { $eq: { a: 1 } } } }, "filter.tenant.$eq"],
    ["a decimal operand", { filter: { kind: Decimal128.fromString("1") } }, "filter.kind"],
  ])("%s", (_, change, message) => {
    const given = Object.fromEntries(Object.entries({ ...stage, ...change }).filter(([, value]) => value !== undefined));
    const error = refusal(() => parseVectorSearchStage(given, definition));
    expect(error.code).toBe(8);
    expect(error.message).toContain(message);
  });

  it("a stage without an index name", () => {
    expect(refusal(() => searchedIndexName({ path: "v" })).message).toContain('"index"');
  });

  it("takes every operand Atlas compares", () => {
    const operands = ["a", true, null, new Int32(1), new Date(0), new ObjectId(), new UUID()];
    for (const operand of operands) {
      expect(parseVectorSearchStage({ ...stage, filter: { tenant: operand, kind: { $not: { $nin: [operand] } } } }, definition).partitionValues).toEqual([operand]);
    }
  });

  it("finds the narrowest equality on the first filter field, and none where a match may lie elsewhere", () => {
    expect(values({ tenant: { $in: ["a", "b"] }, $and: [{ kind: 1 }, { $and: [{ tenant: { $eq: "a" } }] }] })).toEqual(["a"]);
    expect(values({ $or: [{ tenant: "a" }, { kind: 1 }] })).toBeUndefined();
    expect(values({ tenant: { $gte: "a" } })).toBeUndefined();
    expect(values({ $nor: [{ tenant: "a" }] })).toBeUndefined();
  });
});
