/*
 * Each case names the page of MongoDB's manual (operator/update/...) or its known behaviour it rests on.
 */
import { Decimal128, Double, Int32, Long, ObjectId, Timestamp } from "bson";
import { describe, expect, it } from "vitest";
import { type Doc } from "../../../src/embedded/semantics/bson-codec.js";
import { applyUpdate, compileUpdate, documentFromUpsert, type UpdateOptions } from "../../../src/embedded/semantics/update.js";
import { canonical, codeOf, wire } from "./canonical.js";

const long = (value: number | bigint): Long => Long.fromBigInt(BigInt(value));
const decimal = (digits: string): Decimal128 => Decimal128.fromString(digits);
const INT_MAX = 2 ** 31 - 1;

const UPDATES: [page: string, doc: Doc, update: Doc | Doc[], expected: Doc, options?: UpdateOptions][] = [
  ["set", { _id: 1 }, { $set: { a: 1 } }, { _id: 1, a: 1 }],
  ["set", { _id: 1, a: 1, b: 2 }, { $set: { a: 3 } }, { _id: 1, a: 3, b: 2 }],
  ["set", { _id: 1 }, { $set: { "a.b.c": 1 } }, { _id: 1, a: { b: { c: 1 } } }],
  ["set", { _id: 1, a: [1] }, { $set: { "a.3": 9 } }, { _id: 1, a: [1, null, null, 9] }],
  ["set", { _id: 1 }, { $set: { "a.0": 9 } }, { _id: 1, a: { 0: 9 } }],
  ["set", { _id: 1, a: [{ b: 1 }] }, { $set: { "a.0.b": 2 } }, { _id: 1, a: [{ b: 2 }] }],
  ["set", { _id: 1 }, { $set: {} }, { _id: 1 }],
  ["set: new fields in order of their names", { _id: 1 }, { $set: { c: 1, a: 2, b: 3 } }, { _id: 1, a: 2, b: 3, c: 1 }],
  ["set: to the _id it has", { _id: 1 }, { $set: { _id: 1, a: 1 } }, { _id: 1, a: 1 }],
  ["set: changes the type", { _id: 1, a: 1 }, { $set: { a: long(1) } }, { _id: 1, a: long(1) }],
  ["set: a field named __proto__", { _id: 1 }, { $set: { ["__proto__"]: 1 } }, { _id: 1, ["__proto__"]: 1 }],
  ["unset", { _id: 1, a: 1, b: 2 }, { $unset: { a: "" } }, { _id: 1, b: 2 }],
  ["unset", { _id: 1, a: [1, 2, 3] }, { $unset: { "a.1": 1 } }, { _id: 1, a: [1, null, 3] }],
  ["unset", { _id: 1 }, { $unset: { "a.b": 1 } }, { _id: 1 }],
  ["unset", { _id: 1, a: 5 }, { $unset: { "a.b": 1 } }, { _id: 1, a: 5 }],
  ["inc", { _id: 1, a: 1 }, { $inc: { a: 2 } }, { _id: 1, a: 3 }],
  ["inc", { _id: 1 }, { $inc: { a: long(2) } }, { _id: 1, a: long(2) }],
  ["inc", { _id: 1, a: INT_MAX }, { $inc: { a: 1 } }, { _id: 1, a: long(2 ** 31) }],
  ["inc", { _id: 1, a: long(1) }, { $inc: { a: 1 } }, { _id: 1, a: long(2) }],
  ["inc", { _id: 1, a: 1 }, { $inc: { a: new Double(1) } }, { _id: 1, a: new Double(2) }],
  ["inc", { _id: 1, a: new Double(0.1) }, { $inc: { a: 1 } }, { _id: 1, a: new Double(1.1) }],
  ["inc", { _id: 1, a: decimal("0.1") }, { $inc: { a: decimal("0.2") } }, { _id: 1, a: decimal("0.3") }],
  ["inc", { _id: 1, a: decimal("1") }, { $inc: { a: new Double(0.1) } }, { _id: 1, a: decimal("1.1") }],
  ["inc", { _id: 1, a: long(2n ** 53n) }, { $inc: { a: 1 } }, { _id: 1, a: long(2n ** 53n + 1n) }],
  ["inc", { _id: 1, a: -1 }, { $inc: { a: -INT_MAX - 1 } }, { _id: 1, a: long(-(2 ** 31) - 1) }],
  ["mul", { _id: 1, a: 3 }, { $mul: { a: 2 } }, { _id: 1, a: 6 }],
  ["mul", { _id: 1 }, { $mul: { a: long(5) } }, { _id: 1, a: long(0) }],
  ["mul", { _id: 1 }, { $mul: { a: new Double(5) } }, { _id: 1, a: new Double(0) }],
  ["mul", { _id: 1, a: INT_MAX }, { $mul: { a: 2 } }, { _id: 1, a: long(2 * INT_MAX) }],
  ["mul", { _id: 1, a: decimal("1.5") }, { $mul: { a: 2 } }, { _id: 1, a: decimal("3.0") }],
  ["min", { _id: 1, a: 5 }, { $min: { a: 3 } }, { _id: 1, a: 3 }],
  ["min", { _id: 1, a: 5 }, { $min: { a: 7 } }, { _id: 1, a: 5 }],
  ["min", { _id: 1 }, { $min: { a: 7 } }, { _id: 1, a: 7 }],
  ["min: null is below numbers", { _id: 1, a: 5 }, { $min: { a: null } }, { _id: 1, a: null }],
  ["max: text is above numbers", { _id: 1, a: 5 }, { $max: { a: "1" } }, { _id: 1, a: "1" }],
  ["max: equal numbers keep their type", { _id: 1, a: 5 }, { $max: { a: long(5) } }, { _id: 1, a: 5 }],
  ["rename", { _id: 1, a: 1, b: 2 }, { $rename: { a: "c" } }, { _id: 1, b: 2, c: 1 }],
  ["rename", { _id: 1, a: 1, b: 2 }, { $rename: { a: "b" } }, { _id: 1, b: 1 }],
  ["rename", { _id: 1, a: { x: 1 } }, { $rename: { "a.x": "b.y" } }, { _id: 1, a: {}, b: { y: 1 } }],
  ["rename", { _id: 1, b: 2 }, { $rename: { a: "b" } }, { _id: 1, b: 2 }],
  ["setOnInsert", { _id: 1 }, { $setOnInsert: { a: 1 } }, { _id: 1 }],
  ["setOnInsert", { _id: 1 }, { $setOnInsert: { a: 1 } }, { _id: 1, a: 1 }, { isUpsertInsert: true }],
  ["bit", { _id: 1, a: 13 }, { $bit: { a: { and: 10 } } }, { _id: 1, a: 8 }],
  ["bit", { _id: 1 }, { $bit: { a: { or: long(5) } } }, { _id: 1, a: long(5) }],
  ["bit", { _id: 1, a: 1 }, { $bit: { a: { xor: 5 } } }, { _id: 1, a: 4 }],
  ["push", { _id: 1, a: [1] }, { $push: { a: 2 } }, { _id: 1, a: [1, 2] }],
  ["push", { _id: 1 }, { $push: { a: 2 } }, { _id: 1, a: [2] }],
  ["push", { _id: 1, a: [1] }, { $push: { a: [2, 3] } }, { _id: 1, a: [1, [2, 3]] }],
  ["each", { _id: 1, a: [1] }, { $push: { a: { $each: [2, 3] } } }, { _id: 1, a: [1, 2, 3] }],
  ["position", { _id: 1, a: [1, 2] }, { $push: { a: { $each: [9], $position: 0 } } }, { _id: 1, a: [9, 1, 2] }],
  ["position", { _id: 1, a: [1, 2] }, { $push: { a: { $each: [9], $position: -1 } } }, { _id: 1, a: [1, 9, 2] }],
  ["position", { _id: 1, a: [1] }, { $push: { a: { $each: [9], $position: 50 } } }, { _id: 1, a: [1, 9] }],
  ["slice", { _id: 1, a: [1, 2] }, { $push: { a: { $each: [3], $slice: -2 } } }, { _id: 1, a: [2, 3] }],
  ["slice", { _id: 1, a: [1, 2] }, { $push: { a: { $each: [3], $slice: 2 } } }, { _id: 1, a: [1, 2] }],
  ["slice", { _id: 1, a: [1, 2] }, { $push: { a: { $each: [3], $slice: 0 } } }, { _id: 1, a: [] }],
  ["sort", { _id: 1, a: [3, 1] }, { $push: { a: { $each: [2], $sort: 1 } } }, { _id: 1, a: [1, 2, 3] }],
  ["sort", { _id: 1, a: [{ s: 3 }, { s: 1 }] }, { $push: { a: { $each: [{ s: 2 }], $sort: { s: -1 }, $slice: 2 } } }, { _id: 1, a: [{ s: 3 }, { s: 2 }] }],
  ["sort", { _id: 1, a: ["b", 2] }, { $push: { a: { $each: [], $sort: 1 } } }, { _id: 1, a: [2, "b"] }],
  ["addToSet", { _id: 1, a: [1] }, { $addToSet: { a: 1 } }, { _id: 1, a: [1] }],
  ["addToSet", { _id: 1, a: [1] }, { $addToSet: { a: new Double(1) } }, { _id: 1, a: [1] }],
  ["addToSet", { _id: 1, a: [{ x: 1, y: 2 }] }, { $addToSet: { a: { y: 2, x: 1 } } }, { _id: 1, a: [{ x: 1, y: 2 }, { y: 2, x: 1 }] }],
  ["addToSet", { _id: 1, a: [1, 1] }, { $addToSet: { a: { $each: [1, 2, 2] } } }, { _id: 1, a: [1, 1, 2] }],
  ["addToSet", { _id: 1 }, { $addToSet: { a: { $each: [] } } }, { _id: 1, a: [] }],
  ["addToSet", { _id: 1, a: [1] }, { $addToSet: { a: [1] } }, { _id: 1, a: [1, [1]] }],
  ["pop", { _id: 1, a: [1, 2, 3] }, { $pop: { a: 1 } }, { _id: 1, a: [1, 2] }],
  ["pop", { _id: 1, a: [1, 2, 3] }, { $pop: { a: -1 } }, { _id: 1, a: [2, 3] }],
  ["pop", { _id: 1 }, { $pop: { a: 1 } }, { _id: 1 }],
  ["pop", { _id: 1, a: [] }, { $pop: { a: 1 } }, { _id: 1, a: [] }],
  ["pull", { _id: 1, a: [1, 2, 1] }, { $pull: { a: 1 } }, { _id: 1, a: [2] }],
  ["pull", { _id: 1, a: [1, 5, 9] }, { $pull: { a: { $gte: 5 } } }, { _id: 1, a: [1] }],
  ["pull", { _id: 1, a: [{ x: 1, y: 1 }, { x: 2 }] }, { $pull: { a: { x: 1 } } }, { _id: 1, a: [{ x: 2 }] }],
  ["pull", { _id: 1, a: [{ x: [1, 2] }, { x: [3] }] }, { $pull: { a: { x: { $in: [2] } } } }, { _id: 1, a: [{ x: [3] }] }],
  ["pull", { _id: 1, a: [1, null] }, { $pull: { a: null } }, { _id: 1, a: [1] }],
  ["pull", { _id: 1 }, { $pull: { a: 1 } }, { _id: 1 }],
  ["pull", { _id: 1, a: ["x", "y"] }, { $pull: { a: { $in: ["y"] } } }, { _id: 1, a: ["x"] }],
  ["pullAll", { _id: 1, a: [1, 2, 3, 1] }, { $pullAll: { a: [1, 3] } }, { _id: 1, a: [2] }],
  ["pullAll: the order of fields counts", { _id: 1, a: [{ x: 1, y: 2 }] }, { $pullAll: { a: [{ y: 2, x: 1 }] } }, { _id: 1, a: [{ x: 1, y: 2 }] }],
  // Positions
  ["positional", { _id: 1, a: [1, 5] }, { $set: { "a.$": 9 } }, { _id: 1, a: [1, 9] }, { filter: { a: 5 } }],
  ["positional", { _id: 1, a: [{ x: 1 }, { x: 2 }] }, { $inc: { "a.$.n": 1 } }, { _id: 1, a: [{ x: 1 }, { x: 2, n: 1 }] }, { filter: { "a.x": 2 } }],
  ["positional", { _id: 1, a: [{ x: 1, y: 1 }, { x: 1, y: 2 }] }, { $set: { "a.$.z": 1 } }, { _id: 1, a: [{ x: 1, y: 1 }, { x: 1, y: 2, z: 1 }] }, { filter: { a: { $elemMatch: { x: 1, y: 2 } } } }],
  ["positional", { _id: 1, b: { a: [1, 7] } }, { $set: { "b.a.$": 0 } }, { _id: 1, b: { a: [1, 0] } }, { filter: { $and: [{ "b.a": { $gt: 5 } }] } }],
  ["positional-all", { _id: 1, a: [1, 2] }, { $inc: { "a.$[]": 10 } }, { _id: 1, a: [11, 12] }],
  ["positional-all", { _id: 1, a: [{ b: [1] }, { b: [2, 3] }] }, { $mul: { "a.$[].b.$[]": 2 } }, { _id: 1, a: [{ b: [2] }, { b: [4, 6] }] }],
  ["positional-filtered", { _id: 1, a: [1, 5, 9] }, { $set: { "a.$[big]": 0 } }, { _id: 1, a: [1, 0, 0] }, { arrayFilters: [{ big: { $gte: 5 } }] }],
  ["positional-filtered", { _id: 1, a: [{ k: "x", v: 1 }, { k: "y", v: 1 }] }, { $set: { "a.$[e].v": 2 } }, { _id: 1, a: [{ k: "x", v: 1 }, { k: "y", v: 2 }] }, { arrayFilters: [{ "e.k": "y" }] }],
  ["positional-filtered", { _id: 1, a: [{ b: [1, 2] }, { b: [2] }] }, { $unset: { "a.$[].b.$[x]": 1 } }, { _id: 1, a: [{ b: [1, null] }, { b: [null] }] }, { arrayFilters: [{ x: 2 }] }],
  // Replacement
  ["replaceOne", { _id: 1, a: 1 }, { b: 2 }, { _id: 1, b: 2 }],
  ["replaceOne", { _id: 1, a: 1 }, {}, { _id: 1 }],
  ["replaceOne", { _id: 1, a: 1 }, { b: 2, _id: 1 }, { _id: 1, b: 2 }],
  // Pipelines
  ["updates-with-aggregation-pipeline", { _id: 1, a: 1, b: 2 }, [{ $set: { c: { $add: ["$a", "$b"] } } }], { _id: 1, a: 1, b: 2, c: 3 }],
  ["updates-with-aggregation-pipeline", { _id: 1, a: 1, b: 2 }, [{ $unset: ["a"] }], { _id: 1, b: 2 }],
  ["updates-with-aggregation-pipeline", { _id: 1, a: { x: 1 } }, [{ $replaceWith: "$a" }], { _id: 1, x: 1 }],
  ["updates-with-aggregation-pipeline", { _id: 1, a: 1, b: 2 }, [{ $project: { a: 1 } }], { _id: 1, a: 1 }],
  ["updates-with-aggregation-pipeline", { _id: 1 }, [{ $set: { a: "$$add" } }, { $set: { b: "$a" } }], { _id: 1, a: 5, b: 5 }, { let: { add: 5 } }],
  ["updates-with-aggregation-pipeline: $set of a text with a dollar is an expression", { _id: 1, a: 3 }, [{ $set: { b: "$a" } }], { _id: 1, a: 3, b: 3 }],
  ["set: a text with a dollar is a text", { _id: 1, a: 3 }, { $set: { b: "$a" } }, { _id: 1, a: 3, b: "$a" }],
];

const REFUSED: [page: string, doc: Doc, update: Doc | Doc[], code: number, options?: UpdateOptions][] = [
  ["unknown modifier", { _id: 1 }, { $foo: { a: 1 } }, 9],
  ["fields beside operators", { _id: 1 }, { $set: { a: 1 }, b: 1 }, 9],
  ["operators in a replacement", { _id: 1 }, { b: 1, $set: { a: 1 } }, 52],
  ["operand of $set", { _id: 1 }, { $set: 5 }, 9],
  ["conflict", { _id: 1 }, { $set: { a: 1 }, $inc: { a: 1 } }, 40],
  ["conflict", { _id: 1 }, { $set: { "a.b": 1, a: 1 } }, 40],
  ["conflict", { _id: 1 }, { $set: { "a.b": 1, "a.b.c": 1 } }, 40],
  ["conflict of a rename", { _id: 1, a: 1 }, { $rename: { a: "b" }, $set: { b: 1 } }, 40],
  ["conflict with $setOnInsert, although it does nothing", { _id: 1 }, { $set: { a: 1 }, $setOnInsert: { a: 2 } }, 40],
  ["conflict of positions", { _id: 1, a: [1] }, { $set: { "a.$[]": 1, "a.0": 2 } }, 40],
  ["_id is immutable", { _id: 1 }, { $set: { _id: 2 } }, 66],
  ["_id is immutable", { _id: { x: 1 } }, { $set: { "_id.x": 2 } }, 66],
  ["_id is immutable", { _id: 1 }, { $unset: { _id: 1 } }, 66],
  ["_id is immutable", { _id: 1 }, { $inc: { _id: 1 } }, 66],
  ["_id is immutable", { _id: 1 }, { _id: 2, a: 1 }, 66],
  ["_id is immutable", { _id: 1 }, [{ $set: { _id: 2 } }], 66],
  ["empty field name", { _id: 1 }, { $set: { "a..b": 1 } }, 56],
  ["empty field name", { _id: 1 }, { $set: { "": 1 } }, 56],
  ["dollar field", { _id: 1 }, { $set: { $a: 1 } }, 52],
  ["dollar field", { _id: 1 }, { $set: { "a.$b": 1 } }, 52],
  ["a scalar in the way", { _id: 1, a: 5 }, { $set: { "a.b": 1 } }, 28],
  ["null in the way", { _id: 1, a: null }, { $set: { "a.b": 1 } }, 28],
  ["a name in an array", { _id: 1, a: [1] }, { $set: { "a.b": 1 } }, 28],
  ["far past the end of an array", { _id: 1, a: [] }, { $set: { "a.1500001": 1 } }, 2],
  ["a path deeper than a document may be", { _id: 1 }, { $set: { [Array.from({ length: 250 }, () => "a").join(".")]: 1 } }, 15],
  ["inc", { _id: 1, a: "x" }, { $inc: { a: 1 } }, 14],
  ["inc", { _id: 1, a: null }, { $inc: { a: 1 } }, 14],
  ["inc", { _id: 1 }, { $inc: { a: "1" } }, 14],
  ["inc overflow", { _id: 1, a: Long.MAX_VALUE }, { $inc: { a: 1 } }, 2],
  ["mul", { _id: 1, a: [] }, { $mul: { a: 2 } }, 14],
  ["mul overflow", { _id: 1, a: Long.MIN_VALUE }, { $mul: { a: -1 } }, 2],
  ["currentDate", { _id: 1 }, { $currentDate: { a: { $type: "time" } } }, 2],
  ["currentDate", { _id: 1 }, { $currentDate: { a: 1 } }, 2],
  ["rename", { _id: 1, a: 1 }, { $rename: { a: "a" } }, 2],
  ["rename", { _id: 1, a: 1 }, { $rename: { a: 1 } }, 2],
  ["rename", { _id: 1, a: [{ b: 1 }] }, { $rename: { "a.0.b": "c" } }, 2],
  ["rename", { _id: 1, a: 1, b: [{}] }, { $rename: { a: "b.0.c" } }, 2],
  ["bit", { _id: 1, a: new Double(1) }, { $bit: { a: { and: 1 } } }, 2],
  ["bit", { _id: 1 }, { $bit: { a: { nand: 1 } } }, 2],
  ["push", { _id: 1, a: 1 }, { $push: { a: 2 } }, 2],
  ["push", { _id: 1 }, { $push: { a: { $each: 1 } } }, 2],
  ["push", { _id: 1 }, { $push: { a: { $each: [], $foo: 1 } } }, 2],
  ["push", { _id: 1 }, { $push: { a: { $each: [], $sort: 2 } } }, 2],
  ["push", { _id: 1 }, { $push: { a: { $each: [], $slice: 1.5 } } }, 2],
  ["addToSet", { _id: 1, a: {} }, { $addToSet: { a: 1 } }, 2],
  ["pop", { _id: 1, a: [1] }, { $pop: { a: 2 } }, 9],
  ["pop", { _id: 1, a: "x" }, { $pop: { a: 1 } }, 14],
  ["pull", { _id: 1, a: "x" }, { $pull: { a: "x" } }, 2],
  ["pull", { _id: 1, a: [1] }, { $pull: { a: { $foo: 1 } } }, 2],
  ["pullAll", { _id: 1, a: [1] }, { $pullAll: { a: 1 } }, 2],
  ["positional", { _id: 1, a: [1] }, { $set: { "a.$": 1 } }, 2, { filter: { _id: 1 } }],
  ["positional-all", { _id: 1, a: 1 }, { $set: { "a.$[]": 1 } }, 2],
  ["positional-all", { _id: 1 }, { $set: { "a.$[]": 1 } }, 2],
  ["positional-filtered", { _id: 1, a: [] }, { $set: { "a.$[x]": 1 } }, 2],
  ["positional-filtered", { _id: 1, a: [] }, { $set: { a: 1 } }, 9, { arrayFilters: [{ x: 1 }] }],
  ["positional-filtered", { _id: 1, a: [] }, { $set: { "a.$[x]": 1 } }, 9, { arrayFilters: [{ x: 1, y: 1 }] }],
  ["positional-filtered", { _id: 1, a: [] }, { $set: { "a.$[x]": 1 } }, 9, { arrayFilters: [{ x: 1 }, { x: 2 }] }],
  ["updates-with-aggregation-pipeline", { _id: 1 }, [{ $match: {} }], 72],
  ["updates-with-aggregation-pipeline", { _id: 1 }, [{ $set: { a: 1 }, $unset: "b" }], 40323],
];

const UPSERTS: [page: string, filter: Doc, update: Doc | Doc[], expected: Doc][] = [
  ["update/#upsert-behavior", { _id: 1, a: 2 }, { $set: { b: 3 } }, { _id: 1, a: 2, b: 3 }],
  ["update/#upsert-behavior", { a: { $eq: 2 }, _id: 1 }, { $inc: { n: 1 } }, { _id: 1, a: 2, n: 1 }],
  ["update/#upsert-behavior", { _id: 1, a: { $gt: 5 } }, { $set: { b: 1 } }, { _id: 1, b: 1 }],
  ["update/#upsert-behavior", { $and: [{ _id: 1 }, { a: 5 }] }, { $set: { b: 1 } }, { _id: 1, a: 5, b: 1 }],
  ["update/#upsert-behavior", { _id: 1, $or: [{ a: 5 }, { a: 6 }] }, { $set: { b: 1 } }, { _id: 1, b: 1 }],
  ["update/#upsert-behavior", { _id: 1, "a.b": 5 }, { $set: { "a.c": 1 } }, { _id: 1, a: { b: 5, c: 1 } }],
  ["update/#upsert-behavior", { _id: 1, a: { $in: [4] } }, { $set: { b: 1 } }, { _id: 1, a: 4, b: 1 }],
  ["update/#upsert-behavior", { _id: { t: "x", s: 1 }, e: 1 }, { $setOnInsert: { open: true }, $inc: { n: 1 } }, { _id: { t: "x", s: 1 }, e: 1, n: 1, open: true }],
  ["replaceOne upsert", { _id: 1, a: 2 }, { b: 3 }, { _id: 1, b: 3 }],
  ["pipeline upsert", { _id: 1, a: 2 }, [{ $set: { b: { $add: ["$a", 1] } } }], { _id: 1, a: 2, b: 3 }],
  ["pipeline upsert", { _id: 1 }, [{ $set: { n: { $ifNull: ["$n", 0] } } }], { _id: 1, n: 0 }],
];

const wireOptions = (options: UpdateOptions = {}): UpdateOptions => ({
  ...options,
  ...(options.arrayFilters && { arrayFilters: options.arrayFilters.map(wire) }),
  ...(options.filter && { filter: wire(options.filter) }),
});
const wireUpdate = (update: Doc | Doc[]): Doc | Doc[] => (Array.isArray(update) ? update.map(wire) : wire(update));

describe("applyUpdate", () => {
  it.each(UPDATES)("%s: %j with %j gives %j", (_page, doc, update, expected, options) => {
    const before = wire(doc);
    expect(canonical(applyUpdate(before, wireUpdate(update), wireOptions(options)))).toBe(canonical(expected));
    expect(canonical(before)).toBe(canonical(doc));
  });

  it.each(REFUSED)("%s: refuses %j with %j, code %i", (_page, doc, update, code, options) => {
    const before = wire(doc);
    expect(codeOf(() => applyUpdate(before, wireUpdate(update), wireOptions(options)))).toBe(code);
    expect(canonical(before)).toBe(canonical(doc));
  });

  it("sets the present time, as a date or a timestamp", () => {
    const before = Date.now();
    const { a, b } = applyUpdate({ _id: 1 }, { $currentDate: { a: true, b: { $type: "timestamp" } } });
    expect(a).toBeInstanceOf(Date);
    expect((a as Date).getTime()).toBeGreaterThanOrEqual(before);
    expect(b).toBeInstanceOf(Timestamp);
    expect((b as Timestamp).t).toBeGreaterThanOrEqual(Math.floor(before / 1000));
  });

  it("applies one compiled update to many documents without carrying anything over", () => {
    const update = compileUpdate(wire({ $push: { a: 1 }, $set: { "b.$[x]": 0 } }), { arrayFilters: [wire({ x: { $gt: 1 } })] });
    const results = [{ _id: 1, b: [1, 2] }, { _id: 2, b: [3] }].map((doc) => update(wire(doc)));
    expect(canonical(results)).toBe(canonical([{ _id: 1, b: [1, 0], a: [1] }, { _id: 2, b: [0], a: [1] }]));
  });

  it("pushes more elements than a function call has room for", () => {
    const each = Array.from({ length: 300_000 }, (_, i) => new Int32(i));
    const { a } = applyUpdate({ _id: 1, a: [new Int32(-1)] }, { $push: { a: { $each: each, $position: 0 } } });
    expect(a).toHaveLength(300_001);
  });

  it("copies only what it writes", () => {
    const doc = wire({ _id: 1, vector: [1, 2, 3], meta: { n: 1 } });
    const updated = applyUpdate(doc, wire({ $inc: { "meta.n": 1 } }));
    expect(updated["vector"]).toBe(doc["vector"]);
    expect(updated["meta"]).not.toBe(doc["meta"]);
  });
});

describe("documentFromUpsert", () => {
  it.each(UPSERTS)("%s: %j with %j inserts %j", (_page, filter, update, expected) => {
    expect(canonical(documentFromUpsert(wire(filter), wireUpdate(update)))).toBe(canonical(expected));
  });

  it("makes an _id when none is given, and puts it first", () => {
    const made = documentFromUpsert(wire({ a: 1 }), wire({ $set: { b: 2 } }));
    expect(Object.keys(made)).toEqual(["_id", "a", "b"]);
    expect(made["_id"]).toBeInstanceOf(ObjectId);
  });

  it("takes the _id of the update", () => {
    expect(canonical(documentFromUpsert(wire({ a: 1 }), wire({ $setOnInsert: { _id: 7 } })))).toBe(canonical({ _id: new Int32(7), a: new Int32(1) }));
  });

  it("refuses a path fixed twice, and an _id that contradicts the filter", () => {
    expect(codeOf(() => documentFromUpsert(wire({ $and: [{ a: 1 }, { a: 2 }] }), wire({ $set: { b: 1 } })))).toBe(54);
    expect(codeOf(() => documentFromUpsert(wire({ _id: 1 }), wire({ _id: 2 })))).toBe(66);
    expect(codeOf(() => documentFromUpsert(wire({ _id: 1 }), wire({ $set: { _id: 2 } })))).toBe(66);
  });
});
