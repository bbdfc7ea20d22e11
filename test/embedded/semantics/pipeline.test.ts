/*
 * Stages, projections and sorts, each case named by its page of MongoDB's manual.
 */
import { Decimal128, Double, Int32, Long } from "bson";
import { describe, expect, it } from "vitest";
import { type Doc } from "../../../src/embedded/semantics/bson-codec.js";
import { compileMatcher } from "../../../src/embedded/semantics/matcher.js";
import { type PipelineSource, runStages } from "../../../src/embedded/semantics/pipeline.js";
import { compileProjection } from "../../../src/embedded/semantics/projection.js";
import { compileSort } from "../../../src/embedded/semantics/sort.js";
import { canonical, codeOf, wire } from "./canonical.js";

const double = (value: number): Double => new Double(value);
const long = (value: number): Long => Long.fromNumber(value);

const COLLECTIONS: Record<string, Doc[]> = {
  items: [{ _id: 1, sku: "a", n: 5 }, { _id: 2, sku: "b", n: 7 }, { _id: 3, sku: null, n: 1 }, { _id: 4, n: 2 }, { _id: 5, sku: ["a", "c"], n: 3 }],
};

function source(): PipelineSource {
  return {
    lookup(collection) {
      const docs = (COLLECTIONS[collection] ?? []).map(wire);
      return { all: () => docs, byField: (path, value) => docs.filter(compileMatcher({ [path]: { $eq: value } })) };
    },
  };
}

const run = (stages: Doc[], input: Doc[]): Doc[] =>
  [...runStages(stages.map(wire), input.map((doc) => ({ doc: wire(doc) })), { source: source(), let: wire({ limit: 2 }) })].map(({ doc }) => doc);

const SALES: Doc[] = [
  { _id: 1, k: "x", n: 1, tags: ["r", "s"] },
  { _id: 2, k: "y", n: 2, tags: [] },
  { _id: 3, k: "x", n: double(2.5), tags: "t" },
  { _id: 4, n: long(4) },
];

const PIPELINES: [page: string, stages: Doc[], input: Doc[], expected: Doc[]][] = [
  ["match", [{ $match: { k: "x" } }, { $project: { n: 1 } }], SALES, [{ _id: 1, n: 1 }, { _id: 3, n: double(2.5) }]],
  ["match with let", [{ $match: { $expr: { $gt: ["$n", "$$limit"] } } }, { $project: { _id: 1 } }], SALES, [{ _id: 3 }, { _id: 4 }]],
  // $project
  ["project", [{ $project: { n: 1 } }], [{ _id: 1, z: 0, n: 2 }], [{ _id: 1, n: 2 }]],
  ["project", [{ $project: { _id: 0, n: 1 } }], [{ _id: 1, n: 2 }], [{ n: 2 }]],
  ["project", [{ $project: { _id: 0 } }], [{ _id: 1, n: 2 }], [{ n: 2 }]],
  ["project", [{ $project: { n: 0, "o.p": 0 } }], [{ _id: 1, n: 2, o: { p: 1, q: 2 } }], [{ _id: 1, o: { q: 2 } }]],
  ["project", [{ $project: { "a.x": 1 } }], [{ _id: 1, a: [{ x: 1, y: 2 }, 5, { y: 3 }] }], [{ _id: 1, a: [{ x: 1 }, {}] }]],
  ["project", [{ $project: { a: { x: 1 } } }], [{ _id: 1, a: { x: 1, y: 2 } }], [{ _id: 1, a: { x: 1 } }]],
  ["project", [{ $project: { "a.x": 1 } }], [{ _id: 1, a: 5 }], [{ _id: 1 }]],
  ["project: fields keep the order of the document", [{ $project: { b: 1, a: 1 } }], [{ _id: 1, a: 1, b: 2 }], [{ _id: 1, a: 1, b: 2 }]],
  ["project: computed fields follow in the order of the stage", [{ $project: { z: "$a", y: { $add: ["$a", 1] }, a: 1 } }], [{ _id: 1, a: 1 }], [{ _id: 1, a: 1, z: 1, y: 2 }]],
  ["project: _id first, computed too", [{ $project: { a: 1, _id: "$k" } }], [{ _id: 1, a: 2, k: "x" }], [{ _id: "x", a: 2 }]],
  ["project: $slice is an expression", [{ $project: { a: { $slice: ["$a", 1] } } }], [{ _id: 1, a: [1, 2] }], [{ _id: 1, a: [1] }]],
  ["project: $$REMOVE", [{ $project: { a: { $cond: [{ $eq: ["$a", 1] }, "$$REMOVE", "$a"] } } }], [{ _id: 1, a: 1 }, { _id: 2, a: 2 }], [{ _id: 1 }, { _id: 2, a: 2 }]],
  ["project: a literal text", [{ $project: { a: { $literal: 1 }, b: "txt" } }], [{ _id: 1 }], [{ _id: 1, a: 1, b: "txt" }]],
  // $addFields, $unset, roots
  ["addFields", [{ $addFields: { a: { $add: ["$n", 1] }, n: 0 } }], [{ _id: 1, n: 1, z: 1 }], [{ _id: 1, n: 0, z: 1, a: 2 }]],
  ["addFields", [{ $set: { "o.p": 1 } }], [{ _id: 1, o: { q: 2 } }, { _id: 2 }, { _id: 3, o: [{ r: 1 }, 5] }], [{ _id: 1, o: { q: 2, p: 1 } }, { _id: 2, o: { p: 1 } }, { _id: 3, o: [{ r: 1, p: 1 }, { p: 1 }] }]],
  ["addFields: reads the document as it came", [{ $set: { a: "$b", b: "$a" } }], [{ _id: 1, a: 1, b: 2 }], [{ _id: 1, a: 2, b: 1 }]],
  ["addFields: missing removes", [{ $set: { a: "$nope" } }], [{ _id: 1, a: 1 }], [{ _id: 1 }]],
  ["unset", [{ $unset: ["a", "b.c"] }], [{ _id: 1, a: 1, b: [{ c: 1, d: 2 }] }], [{ _id: 1, b: [{ d: 2 }] }]],
  ["replaceRoot", [{ $replaceRoot: { newRoot: { $mergeObjects: ["$o", { id: "$_id" }] } } }], [{ _id: 1, o: { a: 1 } }], [{ a: 1, id: 1 }]],
  ["replaceWith", [{ $replaceWith: "$o" }], [{ _id: 1, o: { a: 1 } }], [{ a: 1 }]],
  // $group
  ["group", [{ $group: { _id: "$k", total: { $sum: "$n" }, count: { $sum: 1 } } }, { $sort: { _id: 1 } }], SALES,
    [{ _id: null, total: long(4), count: 1 }, { _id: "x", total: double(3.5), count: 2 }, { _id: "y", total: 2, count: 1 }]],
  ["group", [{ $group: { _id: null, avg: { $avg: "$n" }, min: { $min: "$n" }, max: { $max: "$n" } } }], SALES, [{ _id: null, avg: double(2.375), min: 1, max: long(4) }]],
  ["group: equal numbers of different types are one group", [{ $group: { _id: "$v", c: { $count: {} } } }], [{ v: 1 }, { v: double(1) }, { v: Decimal128.fromString("1.0") }], [{ _id: 1, c: 3 }]],
  ["group: missing and null are one group", [{ $group: { _id: "$v", c: { $sum: 1 } } }], [{}, { v: null }], [{ _id: null, c: 2 }]],
  ["group: the order of fields tells documents apart", [{ $group: { _id: "$v" } }], [{ v: { a: 1, b: 1 } }, { v: { b: 1, a: 1 } }], [{ _id: { a: 1, b: 1 } }, { _id: { b: 1, a: 1 } }]],
  ["group", [{ $group: { _id: null, f: { $first: "$k" }, l: { $last: "$k" }, p: { $push: "$k" }, s: { $addToSet: "$k" } } }], SALES, [{ _id: null, f: "x", l: null, p: ["x", "y", "x"], s: ["x", "y"] }]],
  ["group", [{ $group: { _id: { k: "$k", big: { $gt: ["$n", 1] } }, m: { $mergeObjects: { n: "$n" } } } }, { $limit: 1 }], SALES, [{ _id: { k: "x", big: false }, m: { n: 1 } }]],
  ["group: an expression within an accumulator", [{ $group: { _id: null, s: { $sum: { $multiply: ["$n", 2] } } } }], [{ n: 1 }, { n: 2 }], [{ _id: null, s: 6 }]],
  ["group: $avg of no numbers is null, $sum is 0", [{ $group: { _id: null, a: { $avg: "$x" }, s: { $sum: "$x" } } }], [{}], [{ _id: null, a: null, s: 0 }]],
  ["group: nothing in, nothing out", [{ $group: { _id: null, c: { $sum: 1 } } }], [], []],
  ["count", [{ $count: "total" }], SALES, [{ total: 4 }]],
  ["count", [{ $match: { _id: 99 } }, { $count: "total" }], SALES, []],
  ["sortByCount", [{ $sortByCount: "$k" }], SALES, [{ _id: "x", count: 2 }, { _id: "y", count: 1 }, { _id: null, count: 1 }]],
  ["bucket", [{ $bucket: { groupBy: "$n", boundaries: [0, 2, 4], default: "other", output: { ids: { $push: "$_id" } } } }], SALES, [{ _id: 0, ids: [1] }, { _id: 2, ids: [2, 3] }, { _id: "other", ids: [4] }]],
  // Flow
  ["sort", [{ $sort: { n: -1 } }, { $project: { _id: 1 } }], SALES, [{ _id: 4 }, { _id: 3 }, { _id: 2 }, { _id: 1 }]],
  ["sort with limit", [{ $sort: { n: -1 } }, { $limit: 2 }, { $project: { _id: 1 } }], SALES, [{ _id: 4 }, { _id: 3 }]],
  ["skip and limit", [{ $skip: 1 }, { $limit: 2 }, { $project: { _id: 1 } }], SALES, [{ _id: 2 }, { _id: 3 }]],
  ["unwind", [{ $unwind: "$tags" }, { $project: { tags: 1 } }], SALES, [{ _id: 1, tags: "r" }, { _id: 1, tags: "s" }, { _id: 3, tags: "t" }]],
  ["unwind", [{ $unwind: { path: "$tags", preserveNullAndEmptyArrays: true, includeArrayIndex: "i" } }, { $project: { tags: 1, i: 1 } }], SALES,
    [{ _id: 1, tags: "r", i: long(0) }, { _id: 1, tags: "s", i: long(1) }, { _id: 2, i: null }, { _id: 3, tags: "t", i: null }, { _id: 4, i: null }]],
  ["unwind", [{ $unwind: "$a.b" }], [{ _id: 1, a: { b: [1, 2], c: 3 } }], [{ _id: 1, a: { b: 1, c: 3 } }, { _id: 1, a: { b: 2, c: 3 } }]],
  // Joins
  ["lookup", [{ $lookup: { from: "items", localField: "s", foreignField: "sku", as: "f" } }, { $project: { ids: "$f._id" } }],
    [{ _id: 1, s: "a" }, { _id: 2, s: "zz" }, { _id: 3 }, { _id: 4, s: ["b", "c"] }], [{ _id: 1, ids: [1, 5] }, { _id: 2, ids: [] }, { _id: 3, ids: [3, 4] }, { _id: 4, ids: [2, 5] }]],
  ["lookup with let", [{ $lookup: { from: "items", let: { least: "$m" }, pipeline: [{ $match: { $expr: { $gte: ["$n", "$$least"] } } }, { $project: { n: 1 } }], as: "f" } }],
    [{ _id: 1, m: 5 }, { _id: 2, m: 9 }], [{ _id: 1, m: 5, f: [{ _id: 1, n: 5 }, { _id: 2, n: 7 }] }, { _id: 2, m: 9, f: [] }]],
  ["lookup, both forms", [{ $lookup: { from: "items", localField: "s", foreignField: "sku", pipeline: [{ $count: "c" }], as: "o.f" } }], [{ _id: 1, s: "a" }], [{ _id: 1, s: "a", o: { f: [{ c: 2 }] } }]],
  ["lookup: an empty array, and an array without the field, join as null", [{ $lookup: { from: "items", localField: "s.k", foreignField: "sku", as: "f" } }, { $project: { ids: "$f._id" } }],
    [{ _id: 1, s: { k: [] } }, { _id: 2, s: [1, {}] }, { _id: 3, s: [{ k: "b" }, {}] }, { _id: 4, s: [{ k: ["b", "c"] }] }],
    [{ _id: 1, ids: [3, 4] }, { _id: 2, ids: [3, 4] }, { _id: 3, ids: [2] }, { _id: 4, ids: [2, 5] }]],
  ["lookup: a position in the local path", [{ $lookup: { from: "items", localField: "s.1.k", foreignField: "sku", as: "f" } }, { $project: { ids: "$f._id" } }],
    [{ _id: 1, s: [{ k: "a" }, { k: "b" }] }], [{ _id: 1, ids: [2] }]],
  ["lookup of no collection", [{ $lookup: { from: "nope", localField: "s", foreignField: "sku", as: "f" } }], [{ _id: 1 }], [{ _id: 1, f: [] }]],
  ["unionWith", [{ $unionWith: { coll: "items", pipeline: [{ $match: { n: 7 } }] } }, { $project: { _id: 1 } }], [{ _id: 9 }], [{ _id: 9 }, { _id: 2 }]],
  ["facet", [{ $facet: { a: [{ $match: { k: "x" } }, { $count: "c" }], b: [{ $sort: { n: -1 } }, { $limit: 1 }, { $project: { _id: 1 } }] } }], SALES, [{ a: [{ c: 2 }], b: [{ _id: 4 }] }]],
];

const REFUSED: [page: string, stages: Doc[], code: number][] = [
  ["unknown stage", [{ $foo: 1 }], 40324],
  ["two stages in one", [{ $limit: 1, $skip: 1 }], 40323],
  ["more stages than a pipeline may have", Array.from({ length: 1001 }, () => ({ $skip: 1 })), 7749501],
  ["limit", [{ $limit: 0 }], 15958],
  ["limit", [{ $limit: 1.5 }], 5107201],
  ["skip", [{ $skip: -1 }], 15956],
  ["sort", [{ $sort: {} }], 15976],
  ["sort", [{ $sort: { a: 2 } }], 15975],
  ["group", [{ $group: { c: { $sum: 1 } } }], 15955],
  ["group", [{ $group: { _id: 1, c: 1 } }], 40234],
  ["group", [{ $group: { _id: 1, c: { $foo: 1 } } }], 15952],
  ["group", [{ $group: { _id: 1, c: { $sum: 1, $avg: 1 } } }], 40238],
  ["project", [{ $project: {} }], 51272],
  ["project", [{ $project: { a: 1, b: 0 } }], 31254],
  ["project", [{ $project: { a: 0, b: 1 } }], 31253],
  ["project", [{ $project: { a: 1, "a.b": 1 } }], 31249],
  ["project", [{ $project: { "a.b": 1, a: "$x" } }], 31250],
  ["project", [{ $project: { a: 0, b: "$x" } }], 31252],
  ["project", [{ $project: { a: { $elemMatch: { x: 1 } } } }], 168],
  ["project", [{ $project: { a: {} } }], 51270],
  ["addFields", [{ $addFields: {} }], 40177],
  ["replaceRoot", [{ $replaceRoot: { newRoot: "$n" } }], 40228],
  ["unwind", [{ $unwind: "tags" }], 28818],
  ["unwind", [{ $unwind: { path: "$a", foo: 1 } }], 28647],
  ["count", [{ $count: "$a" }], 40158],
  ["lookup", [{ $lookup: { from: "items", localField: "a", as: "f" } }], 4572],
  ["lookup", [{ $lookup: { from: "items", pipeline: [{ $out: "x" }], as: "f" } }], 51047],
  ["lookup", [{ $lookup: { from: "items", pipeline: [{ $foo: 1 }], as: "f" } }], 40324],
  ["facet", [{ $facet: { a: [{ $facet: {} }] } }], 40600],
  ["facet", [{ $facet: {} }], 40169],
  ["bucket", [{ $bucket: { groupBy: "$n", boundaries: [2, 1] } }], 40194],
  ["bucket", [{ $bucket: { groupBy: "$n", boundaries: [100, 200] } }], 40066],
  ["match", [{ $match: { a: { $foo: 1 } } }], 2],
  ["match", [{ $match: 5 }], 15959],
];

describe("runStages", () => {
  it.each(PIPELINES)("%s: %j", (_page, stages, input, expected) => {
    expect(canonical(run(stages, input))).toBe(canonical(expected));
  });

  it.each(REFUSED)("%s: refuses %j with code %i", (_page, stages, code) => {
    expect(codeOf(() => run(stages, SALES))).toBe(code);
  });

  it("reads no more of its input than $limit needs", () => {
    let read = 0;
    function* endless(): Iterable<{ doc: Doc }> {
      for (;;) yield { doc: wire({ _id: read++ }) };
    }
    const result = [...runStages([wire({ $match: { _id: { $gte: 2 } } }), wire({ $limit: 3 })], endless(), { source: source() })];
    expect(result).toHaveLength(3);
    expect(read).toBe(5);
  });

  it("finds wrong stages before any document is read", () => {
    expect(codeOf(() => runStages([wire({ $lookup: { from: "items", pipeline: [{ $limit: 0 }], as: "f" } })], [], { source: source() }))).toBe(15958);
  });

  it("samples without repetition", () => {
    const ids = run([{ $sample: { size: 3 } }], SALES).map((doc) => (doc["_id"] as Int32).value);
    expect(new Set(ids).size).toBe(3);
  });

  it("carries search scores beside the documents through stages, and gives them for $meta", () => {
    const input = [0.25, 0.75].map((score, i) => ({ doc: wire({ _id: i }), meta: { vectorSearchScore: score } }));
    const stages = [{ $match: {} }, { $sort: { s: { $meta: "vectorSearchScore" } } }, { $set: { a: 1 } }, { $project: { score: { $meta: "vectorSearchScore" } } }];
    const result = [...runStages(stages.map(wire), input, { source: source() })].map(({ doc }) => doc);
    expect(canonical(result)).toBe(canonical([{ _id: 1, score: double(0.75) }, { _id: 0, score: double(0.25) }]));
  });

  it("keeps a running limit on a large sort without losing the order", () => {
    const docs = Array.from({ length: 5000 }, (_, i) => ({ doc: wire({ _id: i, n: (i * 7919) % 5000 }) }));
    const result = [...runStages([wire({ $sort: { n: 1 } }), wire({ $limit: 5 })], docs, { source: source() })];
    expect(result.map(({ doc }) => (doc["n"] as Int32).value)).toEqual([0, 1, 2, 3, 4]);
  });
});

const FIND: [page: string, spec: Doc, doc: Doc, expected: Doc][] = [
  ["projection", {}, { _id: 1, a: 1 }, { _id: 1, a: 1 }],
  ["projection", { a: 1 }, { _id: 1, a: 1, b: 2 }, { _id: 1, a: 1 }],
  ["projection", { a: true, _id: false }, { _id: 1, a: 1, b: 2 }, { a: 1 }],
  ["projection", { _id: 1 }, { _id: 1, a: 1 }, { _id: 1 }],
  ["projection", { a: 0 }, { _id: 1, a: 1, b: 2 }, { _id: 1, b: 2 }],
  ["projection", { a: long(1), b: double(1) }, { _id: 1, a: 1, b: 2, c: 3 }, { _id: 1, a: 1, b: 2 }],
  ["projection", { "a.b": 0 }, { _id: 1, a: [{ b: 1, c: 2 }, 3] }, { _id: 1, a: [{ c: 2 }, 3] }],
  ["projection/slice", { a: { $slice: 1 } }, { _id: 1, a: [1, 2], b: 3 }, { _id: 1, a: [1], b: 3 }],
  ["projection/slice", { a: { $slice: -1 }, b: 1 }, { _id: 1, a: [1, 2], b: 3, c: 4 }, { _id: 1, a: [2], b: 3 }],
  ["projection/slice", { a: { $slice: [1, 2] } }, { _id: 1, a: [1, 2, 3, 4] }, { _id: 1, a: [2, 3] }],
  ["projection/slice", { "o.a": { $slice: [-2, 1] } }, { _id: 1, o: { a: [1, 2, 3], b: 1 } }, { _id: 1, o: { a: [2], b: 1 } }],
  ["projection/slice", { a: { $slice: 1 }, b: 0 }, { _id: 1, a: [1, 2], b: 3, c: 4 }, { _id: 1, a: [1], c: 4 }],
  ["projection/elemMatch", { a: { $elemMatch: { x: 2 } } }, { _id: 1, a: [{ x: 1 }, { x: 2, y: 1 }, { x: 2 }], b: 1 }, { _id: 1, a: [{ x: 2, y: 1 }] }],
  ["projection/elemMatch", { a: { $elemMatch: { $gt: 2 } } }, { _id: 1, a: [1, 3, 4] }, { _id: 1, a: [3] }],
  ["projection/elemMatch", { a: { $elemMatch: { x: 9 } } }, { _id: 1, a: [{ x: 1 }] }, { _id: 1 }],
  ["projection: expressions", { a: 1, total: { $add: ["$a", "$b"] } }, { _id: 1, a: 1, b: 2 }, { _id: 1, a: 1, total: 3 }],
];

describe("compileProjection", () => {
  it.each(FIND)("%s: %j on %j gives %j", (_page, spec, doc, expected) => {
    expect(canonical(compileProjection(wire(spec))(wire(doc)))).toBe(canonical(expected));
  });

  it("adds a score to all other fields in find, to the _id alone in $project", () => {
    const doc = wire({ _id: 1, a: 2 });
    const spec = wire({ score: { $meta: "vectorSearchScore" } });
    expect(canonical(compileProjection(spec)(doc, { vectorSearchScore: 0.5 }))).toBe(canonical({ _id: 1, a: 2, score: double(0.5) }));
    expect(canonical(compileProjection(spec, { stage: true })(doc, { vectorSearchScore: 0.5 }))).toBe(canonical({ _id: 1, score: double(0.5) }));
  });

  it("refuses the positional projection by name, and $elemMatch on a nested field", () => {
    expect(() => compileProjection(wire({ "a.$": 1 }))).toThrow("a.$");
    expect(codeOf(() => compileProjection(wire({ "a.b": { $elemMatch: { x: 1 } } })))).toBe(31275);
  });
});

const SORTS: [page: string, spec: Doc, docs: Doc[], order: number[]][] = [
  ["sort", { a: 1 }, [{ _id: 1, a: 2 }, { _id: 2, a: 1 }], [2, 1]],
  ["sort: types in BSON order, missing as null", { a: 1 }, [{ _id: 1, a: "x" }, { _id: 2, a: 5 }, { _id: 3 }, { _id: 4, a: null }, { _id: 5, a: true }], [3, 4, 2, 1, 5]],
  ["sort: an empty array is below null", { a: 1 }, [{ _id: 1, a: null }, { _id: 2, a: [] }], [2, 1]],
  ["sort: the least element of an array ascending", { a: 1 }, [{ _id: 1, a: [5, 2] }, { _id: 2, a: 3 }, { _id: 3, a: [9, 1] }], [3, 1, 2]],
  ["sort: the greatest element of an array descending", { a: -1 }, [{ _id: 1, a: [5, 2] }, { _id: 2, a: 6 }, { _id: 3, a: [9, 1] }], [3, 2, 1]],
  ["sort: through documents in arrays", { "a.x": 1 }, [{ _id: 1, a: [{ x: 3 }, { x: 2 }] }, { _id: 2, a: { x: 1 } }, { _id: 3, a: [] }], [3, 2, 1]],
  ["sort: several keys", { a: 1, b: -1 }, [{ _id: 1, a: 1, b: 1 }, { _id: 2, a: 1, b: 2 }, { _id: 3, a: 0, b: 0 }], [3, 2, 1]],
  ["sort: Long beyond doubles", { a: 1 }, [{ _id: 1, a: Long.fromBigInt(2n ** 53n + 1n) }, { _id: 2, a: double(2 ** 53) }], [2, 1]],
  ["sort: by code point", { a: 1 }, [{ _id: 1, a: "\u{1f600}" }, { _id: 2, a: "\uffff" }], [2, 1]],
];

describe("compileSort", () => {
  it.each(SORTS)("%s: %j", (_page, spec, docs, order) => {
    expect(docs.map(wire).toSorted(compileSort(wire(spec))).map((doc) => (doc["_id"] as Int32).value)).toEqual(order);
  });

  it("refuses parallel arrays and unknown directions", () => {
    const docs = [{ a: [1, 2], b: [1, 2] }, { a: [1], b: [2] }].map(wire);
    expect(codeOf(() => docs.toSorted(compileSort(wire({ a: 1, b: 1 }))))).toBe(2);
    expect(codeOf(() => compileSort(wire({ a: { $meta: "nope" } })))).toBe(15975);
  });
});
