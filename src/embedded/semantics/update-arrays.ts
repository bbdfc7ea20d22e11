/*
 * Update operators on arrays: $push, $addToSet, $pop, $pull, $pullAll.
 */
import { isNumber } from "./arithmetic.js";
import { describe, isObject, isOperatorObject, KIND, kindOf, typeName } from "./bson-kinds.js";
import { compareValues, valuesEqual } from "./compare.js";
import { encodeKey } from "./key-encoding.js";
import { equalTo, matchesRegex } from "./match-values.js";
import { compileElementTest } from "./matcher.js";
import { plainNumber, toInteger } from "./numbers.js";
import { compileSortKey } from "./sort.js";
import { badValue, edit, existingArray, failedToParse, idOf, lastPart, type UpdateOperator } from "./update-operator.js";

interface PushClauses {
  each: readonly unknown[];
  position: number | undefined;
  slice: number | undefined;
  order: ((a: unknown, b: unknown) => number) | undefined;
}

const PUSH_CLAUSES = new Set(["$each", "$position", "$slice", "$sort"]);

const push: UpdateOperator = (operand) => {
  const { each, position, slice, order } = pushClauses(operand);
  return edit((current, site) => {
    if (current !== undefined && !Array.isArray(current)) {
      throw badValue(`The field '${lastPart(site.path)}' must be an array but is of type ${typeName(current)} in document ${idOf(site.draft.root)}`);
    }
    const before = (current as unknown[] | undefined) ?? [];
    const at = position ?? before.length;
    const list = [...before.slice(0, at), ...each, ...before.slice(at)];
    if (order) list.sort(order);
    if (slice === undefined) return list;
    return slice === 0 ? [] : slice > 0 ? list.slice(0, slice) : list.slice(slice);
  });
};

/** Without `$each` the operand itself is the one element, whatever it holds. */
function pushClauses(operand: unknown): PushClauses {
  if (!isObject(operand) || !Object.hasOwn(operand, "$each")) return { each: [operand], position: undefined, slice: undefined, order: undefined };
  const each = eachOf("$push", operand["$each"]);
  const unknown = Object.keys(operand).find((key) => !PUSH_CLAUSES.has(key));
  if (unknown !== undefined) throw badValue(`Unrecognized clause in $push: ${unknown}`);
  const sort = operand["$sort"];
  return { each, position: clauseNumber("$position", operand), slice: clauseNumber("$slice", operand), order: sort === undefined ? undefined : pushOrder(sort) };
}

function eachOf(operator: string, each: unknown): readonly unknown[] {
  if (!Array.isArray(each)) throw badValue(`The argument to $each in ${operator} must be an array but it was of type: ${typeName(each)}`);
  return each as unknown[];
}

function clauseNumber(name: string, clauses: Record<string, unknown>): number | undefined {
  if (!Object.hasOwn(clauses, name)) return undefined;
  const value = clauses[name];
  const whole = isNumber(value) ? toInteger(plainNumber(value)) : undefined;
  if (whole === undefined) throw badValue(`The value for ${name} must be an integer value but was given type: ${typeName(value)}`);
  return Number(whole);
}

function pushOrder(sort: unknown): (a: unknown, b: unknown) => number {
  if (isNumber(sort)) {
    const direction = Number(toInteger(plainNumber(sort)) ?? 0n);
    if (direction !== 1 && direction !== -1) throw badValue("The $sort element value must be either 1 or -1");
    return (a, b) => direction * compareValues(a, b);
  }
  if (!isObject(sort) || Object.keys(sort).length === 0) throw badValue(`The $sort is invalid: use 1/-1 to sort the whole element, or {field:1/-1} to sort embedded fields, got ${describe(sort)}`);
  const { keyOf, compareKeys } = compileSortKey(sort);
  const key = (value: unknown): readonly unknown[] => keyOf(isObject(value) ? value : {});
  return (a, b) => compareKeys(key(a), key(b));
}

const addToSet: UpdateOperator = (operand) => {
  const hasEach = isObject(operand) && Object.keys(operand)[0] === "$each";
  const extra = hasEach ? Object.keys(operand)[1] : undefined;
  if (extra !== undefined) throw badValue(`Found unexpected fields after $each in $addToSet: ${extra}`);
  const added = hasEach ? eachOf("$addToSet", operand["$each"]) : [operand];
  return edit((current, site) => {
    if (current !== undefined && !Array.isArray(current)) {
      throw badValue(`Cannot apply $addToSet to non-array field. Field named '${lastPart(site.path)}' has non-array type ${typeName(current)}`);
    }
    return union((current as unknown[] | undefined) ?? [], added, current);
  });
};

const keyOf = (value: unknown): string => encodeKey([value]).toString("latin1");

/** Repetitions that were there before stay; one key a value keeps large sets linear. */
function union(list: readonly unknown[], added: readonly unknown[], current: unknown): unknown {
  const known = new Set(list.map(keyOf));
  const fresh: unknown[] = [];
  for (const value of added) {
    const key = keyOf(value);
    if (known.has(key)) continue;
    known.add(key);
    fresh.push(value);
  }
  return fresh.length === 0 && current !== undefined ? current : [...list, ...fresh];
}

const pop: UpdateOperator = (operand) => {
  const side = isNumber(operand) ? Number(toInteger(plainNumber(operand)) ?? 0n) : 0;
  if (side !== 1 && side !== -1) throw failedToParse(`$pop expects 1 or -1, found: ${describe(operand)}`);
  return edit((current, site) => {
    const list = existingArray(current, "$pop", site.path);
    if (list === undefined || list.length === 0) return list;
    return side === 1 ? list.slice(0, -1) : list.slice(1);
  });
};

const pull: UpdateOperator = (operand, _path, vars) => {
  const test = isObject(operand) ? compileElementTest(operand, vars) : kindOf(operand) === KIND.regex ? matchesRegex(operand) : equalTo(operand);
  // `{$pull: {a: null}}` removes nulls; equality with null also holds for missing, which no element is.
  return withoutMatches("$pull", isOperatorObject(operand) || !isObject(operand) ? test : (item) => isObject(item) && test(item));
};

const pullAll: UpdateOperator = (operand) => {
  if (!Array.isArray(operand)) throw badValue(`$pullAll requires an array argument but was given a ${typeName(operand)}`);
  return withoutMatches("$pullAll", (item) => operand.some((value) => valuesEqual(item, value)));
};

function withoutMatches(operator: string, test: (item: unknown) => boolean): ReturnType<UpdateOperator> {
  return edit((current, site) => {
    const list = existingArray(current, operator, site.path);
    const kept = list?.filter((item) => !test(item));
    return kept?.length === list?.length ? current : kept;
  });
}

export const arrayUpdateOperators: Readonly<Record<string, UpdateOperator>> = {
  $addToSet: addToSet,
  $pop: pop,
  $pull: pull,
  $pullAll: pullAll,
  $push: push,
};
