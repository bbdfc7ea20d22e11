/*
 * Index keys, planner bounds and the codec: what storage builds on. Pages: core/indexes/index-types/index-multikey.
 */
import { Binary, BSONRegExp, Decimal128, Double, Int32, Long, ObjectId, serialize, Timestamp } from "bson";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decode, type Doc, encode } from "../../../src/embedded/semantics/bson-codec.js";
import { compareValues } from "../../../src/embedded/semantics/compare.js";
import { indexTuples } from "../../../src/embedded/semantics/index-keys.js";
import { compileMatcher } from "../../../src/embedded/semantics/matcher.js";
import { type PathBounds, predicateBounds } from "../../../src/embedded/semantics/predicate-bounds.js";
import { canonical, codeOf, wire } from "./canonical.js";

const TUPLES: [page: string, doc: Doc, paths: string[], expected: unknown[][]][] = [
  ["one value", { a: 1 }, ["a"], [[1]]],
  ["missing is null", {}, ["a", "b.c"], [[null, null]]],
  ["a scalar on the way is null", { a: 5 }, ["a.b"], [[null]]],
  ["a key an element", { a: [1, 2, 1] }, ["a"], [[1], [2]]],
  ["an array in an array is one key", { a: [[1, 2], 3] }, ["a"], [[[1, 2]], [3]]],
  ["documents in arrays", { a: [{ b: 1 }, { b: [2, 3] }, {}, 7] }, ["a.b"], [[1], [2], [3], [null]]],
  ["two paths through one array stay together", { a: [{ x: 1, y: 2 }, { x: 3 }] }, ["a.x", "a.y"], [[1, 2], [3, null]]],
  ["an array beside a scalar", { a: [1, 2], b: 9 }, ["a", "b"], [[1, 9], [2, 9]]],
  ["an empty array within a path", { a: [] }, ["a.b"], [[null]]],
  ["a position", { a: [5, 6] }, ["a.1"], [[6]]],
  ["a document as key", { a: { b: 1 } }, ["a"], [[{ b: 1 }]]],
];

describe("indexTuples", () => {
  it.each(TUPLES)("%s: %j on %j", (_page, doc, paths, expected) => {
    expect(canonical(indexTuples(wire(doc), paths))).toBe(canonical(expected));
  });

  it("tells an empty array from null and from missing", () => {
    expect(indexTuples({ a: [] }, ["a"])).toEqual([[undefined]]);
    expect(indexTuples({ a: [[]] }, ["a"])).toEqual([[[]]]);
  });

  it("refuses two arrays side by side", () => {
    expect(codeOf(() => indexTuples({ a: [1], b: [2] }, ["a", "b"]))).toBe(171);
    expect(codeOf(() => indexTuples({ a: { x: [1], y: [] } }, ["a.x", "a.y"]))).toBe(171);
  });
});

const scalar = fc.constantFrom<unknown>(
  null, 0, 1, 2, 5, new Double(1.5), new Double(Number.NaN), Long.fromNumber(2), Decimal128.fromString("5"), "", "a", "b", true, false,
  new Date(0), new Date(9), new ObjectId("000000000000000000000001"), new Timestamp({ t: 1, i: 1 }), new Binary(Buffer.from([1])), new BSONRegExp("a"),
);
const value = fc.oneof(scalar, fc.array(fc.oneof(scalar, fc.array(scalar, { maxLength: 2 }), fc.record({ b: scalar }, { requiredKeys: [] })), { maxLength: 3 }), fc.record({ b: fc.oneof(scalar, fc.array(scalar, { maxLength: 2 })) }, { requiredKeys: [] }));
const doc = fc.record({ a: value, c: scalar }, { requiredKeys: [] });
const comparison = fc.tuple(fc.constantFrom("$eq", "$gt", "$gte", "$lt", "$lte", "$ne"), value).map(([operator, operand]) => ({ [operator]: operand }));
const condition = fc.oneof(
  value,
  comparison,
  fc.array(value, { maxLength: 3 }).map((list) => ({ $in: list })),
  fc.array(value, { maxLength: 2 }).map((list) => ({ $all: list })),
  comparison.map((operand) => ({ $elemMatch: operand })),
  comparison.map((operand) => ({ $not: operand })),
  fc.constantFrom({ $exists: true }, { $exists: false }, { $type: "number" }, new BSONRegExp("^a")),
);
const clause = fc.tuple(fc.constantFrom("a", "a.b", "c", "a.0"), condition).map(([path, operand]) => ({ [path]: operand }));
const filter = fc.oneof(clause, fc.tuple(clause, clause).map(([a, b]) => ({ $and: [a, b] })), fc.tuple(clause, clause).map(([a, b]) => ({ $or: [a, b] })));

function within(key: unknown, bounds: PathBounds): boolean {
  if (bounds.equals && !bounds.equals.some((wanted) => compareValues(wanted, key) === 0)) return false;
  const below = bounds.lower ? compareValues(key, bounds.lower.value) : 1;
  const above = bounds.upper ? compareValues(key, bounds.upper.value) : -1;
  return (below > 0 || (below === 0 && bounds.lower!.inclusive)) && (above < 0 || (above === 0 && bounds.upper!.inclusive));
}

/** The matcher refuses some generated filters, such as an order against a regular expression. */
function compiles(candidate: Doc): boolean {
  try {
    compileMatcher(candidate);
    return true;
  } catch {
    return false;
  }
}

/** Everything inside a filter, and documents that hold it in every place a path can reach. */
function operands(inner: unknown): unknown[] {
  if (Array.isArray(inner)) return [inner, ...inner.flatMap(operands)];
  return inner !== null && typeof inner === "object" && Object.getPrototypeOf(inner) === Object.prototype ? [inner, ...Object.values(inner).flatMap(operands)] : [inner];
}

const around = (inner: unknown): Doc[] =>
  [inner, [inner], [inner, inner], [[inner]], { b: inner }, [{ b: inner }], [7, { b: [inner, 3] }], { b: [[inner]] }].flatMap((held) => [{ a: held, c: inner }, { a: held, c: [inner] }]);

describe("predicateBounds", () => {
  it("never excludes a document that the filter matches", () => {
    let matched = 0;
    fc.assert(fc.property(filter.map(wire).filter(compiles), fc.array(doc.map(wire), { minLength: 5, maxLength: 20 }), (wanted, candidates) => {
      const matches = compileMatcher(wanted);
      const all = predicateBounds(wanted);
      for (const candidate of [...candidates, ...operands(wanted).flatMap(around)].filter(matches)) {
        for (const bounds of all) {
          matched++;
          const keys = indexTuples(candidate, [bounds.path]).map(([key]) => key);
          expect([wanted, candidate, keys.some((key) => within(key, bounds))]).toEqual([wanted, candidate, true]);
        }
      }
    }), { numRuns: 1200 });
    expect(matched).toBeGreaterThan(2000);
  });

  const BOUNDS: [filter: Doc, expected: unknown][] = [
    [{ a: 5 }, [{ path: "a", equals: [5] }]],
    [{ a: { $in: [1, 2] }, b: "x" }, [{ path: "a", equals: [1, 2] }, { path: "b", equals: ["x"] }]],
    [{ $and: [{ a: 1 }, { b: { $gte: new Date(0) } }] }, [{ path: "a", equals: [1] }, { path: "b", lower: { value: new Date(0), inclusive: true }, upper: { value: new Timestamp({ t: 0, i: 0 }), inclusive: false } }]],
    [{ a: { $lt: 5 } }, [{ path: "a", lower: { value: new Double(Number.NaN), inclusive: true }, upper: { value: 5, inclusive: false } }]],
    [{ a: { $gt: "m" } }, [{ path: "a", lower: { value: "m", inclusive: false }, upper: { value: {}, inclusive: false } }]],
    [{ a: null }, [{ path: "a", equals: [null] }]],
    [{ $or: [{ a: 1 }] }, []],
    [{ a: new BSONRegExp("^x") }, []],
    [{ a: { $in: [1, new BSONRegExp("^x")] } }, []],
    [{ a: { $ne: 1 } }, []],
    [{ a: { $not: { $eq: 1 } } }, []],
    [{ "a.0": 1 }, []],
    [{ $expr: { $eq: ["$a", 1] } }, []],
  ];
  it.each(BOUNDS)("reads %j", (wanted, expected) => {
    expect(canonical(predicateBounds(wire(wanted)))).toBe(canonical(expected));
  });
});

describe("decode and encode", () => {
  it("keep every numeric type and every byte", () => {
    const bytes = Buffer.from(serialize({ i: new Int32(1), l: Long.fromNumber(1), d: new Double(1), x: Decimal128.fromString("1.0"), n: null, b: new Binary(Buffer.from("x"), 5), r: new BSONRegExp("a", "i"), t: new Timestamp({ t: 1, i: 2 }), z: new Double(-0) }));
    expect(encode(decode(bytes)).equals(bytes)).toBe(true);
  });

  it("keep a field named __proto__ as a field", () => {
    const doc = decode(encode({ ["__proto__"]: { admin: true } }));
    expect(Object.keys(doc)).toEqual(["__proto__"]);
    expect((doc as { admin?: unknown }).admin).toBeUndefined();
    expect(({} as { admin?: unknown }).admin).toBeUndefined();
  });

  it("refuse a document nested so deep that walking it would overflow the stack", () => {
    let deep: Doc = {};
    for (let level = 0; level < 100_000; level++) deep = level % 2 === 0 ? { a: deep } : { a: [deep] };
    const bytes = encode(deep);
    expect(codeOf(() => decode(bytes))).toBe(15);
    let allowed: Doc = {};
    for (let level = 0; level < 150; level++) allowed = { a: allowed };
    expect(canonical(decode(encode(allowed)))).toContain("a");
  });

  it("refuse bytes that are no document", () => {
    expect(codeOf(() => decode(Buffer.from([5, 0, 0, 0, 1])))).toBe(22);
    expect(codeOf(() => decode(Buffer.alloc(2)))).toBe(22);
    expect(codeOf(() => encode({ "a\0b": 1 }))).toBe(22);
  });
});
