/*
 * Operators on arrays.
 */
import { Int32 } from "bson";
import { isNumber, truthy } from "./arithmetic.js";
import { describe, isObject } from "./bson-kinds.js";
import { compareValues, valuesEqual } from "./compare.js";
import { isNullish, location, named, onValue, onValues, requireArray, variableName } from "./expression-operands.js";
import type { Evaluate, Frame, OperatorBuilder } from "./expression-types.js";
import { plainNumber, toInteger } from "./numbers.js";
import { compileSortKey } from "./sort.js";

/** 64 MB of references: past that $range would take the memory of every other tenant. */
const RANGE_ITEMS_MAX = 8_000_000;

function whole(value: unknown, code: number, message: string): number {
  const integer = isNumber(value) ? toInteger(plainNumber(value)) : undefined;
  if (integer === undefined || BigInt.asIntN(32, integer) !== integer) throw location(code, `${message}, but got ${describe(value)}`);
  return Number(integer);
}

function elementAt([array, index]: unknown[]): unknown {
  if (isNullish(array) || isNullish(index)) return null;
  const list = requireArray(array, 28689, "$arrayElemAt's first argument must be an array, but is ");
  const at = whole(index, 28691, "$arrayElemAt's second argument must be a 32-bit integer");
  return list.at(at);
}

const end = (at: 0 | -1): OperatorBuilder =>
  onValue((value, name) => requireArray(value, 28689, `${name}'s argument must be an array, but is `).at(at));

function slice([array, second, third]: unknown[]): unknown {
  if (isNullish(array) || isNullish(second) || third === null) return null;
  const list = requireArray(array, 28724, "First argument to $slice must be an array, but is of type: ");
  const first = whole(second, 28725, "Second argument to $slice must be a 32-bit integer");
  if (third === undefined) return first >= 0 ? list.slice(0, first) : list.slice(first);
  const count = whole(third, 28727, "Third argument to $slice must be a 32-bit integer");
  if (count <= 0) throw location(28729, `Third argument to $slice must be positive: ${count}`);
  const start = first >= 0 ? first : Math.max(0, list.length + first);
  return list.slice(start, start + count);
}

function concatArrays(values: unknown[]): unknown {
  if (values.some(isNullish)) return null;
  return values.flatMap((value) => requireArray(value, 28664, "$concatArrays only supports arrays, not "));
}

/** Runs an expression for each element with the element as a variable. */
function forEach(frame: Frame, name: string, evaluate: Evaluate): (item: unknown) => unknown {
  const vars: Record<string, unknown> = { ...frame.vars };
  const inner: Frame = { ...frame, vars };
  return (item) => {
    vars[name] = item;
    return evaluate(inner);
  };
}

const filter: OperatorBuilder = (operand, compile, name) => {
  const fields = named(name, operand, ["input", "cond"], ["as", "limit"]);
  const as = variableName(fields["as"] ?? "this", name);
  const input = compile(fields["input"]);
  const test = compile(fields["cond"], [as]);
  const limit = compile(fields["limit"] ?? null);
  return (frame) => {
    const value = input(frame);
    if (isNullish(value)) return null;
    const keep = forEach(frame, as, test);
    const most = limit(frame);
    const kept = requireArray(value, 28651, "input to $filter must be an array not ").filter((item) => truthy(keep(item)));
    return isNullish(most) ? kept : kept.slice(0, filterLimit(most));
  };
};

function filterLimit(value: unknown): number {
  const limit = whole(value, 327391, "$filter: limit must be a 32-bit integer");
  if (limit < 1) throw location(327392, `$filter: limit must be greater than 0, but got ${limit}`);
  return limit;
}

const map: OperatorBuilder = (operand, compile, name) => {
  const fields = named(name, operand, ["input", "in"], ["as"]);
  const as = variableName(fields["as"] ?? "this", name);
  const input = compile(fields["input"]);
  const body = compile(fields["in"], [as]);
  return (frame) => {
    const value = input(frame);
    if (isNullish(value)) return null;
    const apply = forEach(frame, as, body);
    return requireArray(value, 16883, "input to $map must be an array not ").map((item) => apply(item) ?? null);
  };
};

const reduce: OperatorBuilder = (operand, compile, name) => {
  const fields = named(name, operand, ["input", "initialValue", "in"]);
  const input = compile(fields["input"]);
  const initial = compile(fields["initialValue"]);
  const body = compile(fields["in"], ["this", "value"]);
  return (frame) => {
    const value = input(frame);
    if (isNullish(value)) return null;
    let result = initial(frame);
    for (const item of requireArray(value, 40080, "$reduce requires that 'input' be an array, found: ")) {
      result = body({ ...frame, vars: { ...frame.vars, this: item, value: result } });
    }
    return result;
  };
};

function range([first, last, step]: unknown[]): unknown {
  const start = whole(first, 34444, "$range requires a starting value that is a 32-bit integer");
  const stop = whole(last, 34446, "$range requires an ending value that is a 32-bit integer");
  const by = step === undefined ? 1 : whole(step, 34448, "$range requires a step that is a 32-bit integer");
  if (by === 0) throw location(34449, "$range requires a non-zero step value");
  const count = Math.max(0, Math.ceil((stop - start) / by));
  if (count > RANGE_ITEMS_MAX) throw location(146, `$range would give ${count} items, expected at most ${RANGE_ITEMS_MAX}`);
  return Array.from({ length: count }, (_, i) => new Int32(start + i * by));
}

function indexOfArray([array, wanted, from, to]: unknown[]): unknown {
  if (isNullish(array)) return null;
  const list = requireArray(array, 40090, "$indexOfArray requires an array as a first argument, found: ");
  const start = from === undefined ? 0 : whole(from, 40096, "$indexOfArray requires a whole starting index");
  const stop = to === undefined ? list.length : whole(to, 40096, "$indexOfArray requires a whole ending index");
  if (start < 0 || stop < 0) throw location(40097, `$indexOfArray requires nonnegative indexes, found: ${start}, ${stop}`);
  return new Int32(list.findIndex((item, i) => i >= start && i < stop && valuesEqual(item, wanted)));
}

const sortArray: OperatorBuilder = (operand, compile, name) => {
  const { input, sortBy } = named(name, operand, ["input", "sortBy"]);
  const evaluate = compile(input);
  const compare = elementOrder(sortBy);
  return (frame) => {
    const value = evaluate(frame);
    return isNullish(value) ? null : requireArray(value, 2942504, "The input argument to $sortArray must be an array, but was of type: ").toSorted(compare);
  };
};

function elementOrder(sortBy: unknown): (a: unknown, b: unknown) => number {
  if (isNumber(sortBy)) {
    const direction = Math.sign(Number(toInteger(plainNumber(sortBy)) ?? 0n));
    return (a, b) => direction * compareValues(a, b);
  }
  if (!isObject(sortBy)) throw location(2942503, `$sortArray needs a 'sortBy' of 1, -1 or a document, got ${describe(sortBy)}`);
  const { keyOf, compareKeys } = compileSortKey(sortBy);
  const key = (value: unknown): readonly unknown[] => keyOf(isObject(value) ? value : {});
  return (a, b) => compareKeys(key(a), key(b));
}

function isMember([value, array]: unknown[]): boolean {
  return requireArray(array, 40081, "$in requires an array as a second argument, found: ").some((item) => valuesEqual(item, value));
}

export const arrayOperators: Readonly<Record<string, OperatorBuilder>> = {
  $arrayElemAt: onValues(2, 2, elementAt),
  $concatArrays: onValues(0, Infinity, concatArrays),
  $filter: filter,
  $first: end(0),
  $in: onValues(2, 2, isMember),
  $indexOfArray: onValues(2, 4, indexOfArray),
  $isArray: onValues(1, 1, ([value]) => Array.isArray(value)),
  $last: end(-1),
  $map: map,
  $range: onValues(2, 3, range),
  $reduce: reduce,
  $reverseArray: onValue((value) => requireArray(value, 34435, "The argument to $reverseArray must be an array, but was of type: ").toReversed()),
  $size: onValues(1, 1, ([value]) => new Int32(requireArray(value, 17124, "The argument to $size must be an array, but was of type: ").length)),
  $slice: onValues(2, 3, slice),
  $sortArray: sortArray,
};
