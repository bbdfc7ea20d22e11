/*
 * Operators on documents.
 */
import type { Doc } from "./bson-codec.js";
import { isObject, own, put, typeName } from "./bson-kinds.js";
import { isNullish, location, onValue, positional, requireArray } from "./expression-operands.js";
import type { Evaluate, OperatorBuilder } from "./expression-types.js";

const mergeObjects: OperatorBuilder = (operand, compile, name) => {
  const list = positional(name, operand, compile, 0, Infinity);
  return (frame) => {
    const values = list.map((evaluate) => evaluate(frame));
    const [only] = values;
    return merge(values.length === 1 && Array.isArray(only) ? (only as unknown[]) : values);
  };
};

function merge(values: readonly unknown[]): Doc {
  const merged: Doc = {};
  for (const value of values) {
    if (isNullish(value)) continue;
    if (!isObject(value)) throw location(40400, `$mergeObjects requires object inputs, but input is of type ${typeName(value)}`);
    for (const [key, item] of Object.entries(value)) put(merged, key, item);
  }
  return merged;
}

/** `{$getField: "a.b"}` reads the field whose name has the dot. */
const getField: OperatorBuilder = (operand, compile) => {
  const spec = isObject(operand) && Object.hasOwn(operand, "field") ? operand : { field: operand };
  const field = compile(spec["field"]);
  const input: Evaluate = Object.hasOwn(spec, "input") ? compile(spec["input"]) : (frame) => frame.root;
  return (frame) => {
    const name = field(frame);
    if (typeof name !== "string") throw location(5654602, `$getField requires 'field' to evaluate to type String, but got ${typeName(name)}`);
    const value = input(frame);
    if (isNullish(value)) return value;
    return isObject(value) ? own(value, name) : undefined;
  };
};

function objectToArray(value: unknown): unknown {
  if (!isObject(value)) throw location(40390, `$objectToArray requires a document input, found: ${typeName(value)}`);
  return Object.entries(value).map(([k, v]) => ({ k, v }));
}

function arrayToObject(value: unknown): Doc {
  const doc: Doc = {};
  for (const entry of requireArray(value, 40386, "$arrayToObject requires an array input, found: ")) {
    const [key, item] = keyAndValue(entry);
    if (typeof key !== "string") throw location(40394, `$arrayToObject requires keys of type string, found: ${typeName(key)}`);
    put(doc, key, item);
  }
  return doc;
}

function keyAndValue(entry: unknown): [unknown, unknown] {
  if (Array.isArray(entry) && entry.length === 2) return entry as [unknown, unknown];
  if (isObject(entry) && Object.keys(entry).length === 2 && Object.hasOwn(entry, "k") && Object.hasOwn(entry, "v")) {
    return [entry["k"], entry["v"]];
  }
  throw location(40398, "$arrayToObject requires pairs of [key, value] or documents {k, v}");
}

export const objectOperators: Readonly<Record<string, OperatorBuilder>> = {
  $mergeObjects: mergeObjects,
  $getField: getField,
  $objectToArray: onValue(objectToArray),
  $arrayToObject: onValue(arrayToObject),
};
