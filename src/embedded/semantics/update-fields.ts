/*
 * Update operators on one value: $set, $inc, $min, $currentDate, $bit and their kin.
 */
import { Int32, Long, Timestamp } from "bson";
import { EngineError } from "../engine-error.js";
import { type ArithmeticOperator, combine, integer, isNumber } from "./arithmetic.js";
import { describe, isObject, typeName } from "./bson-kinds.js";
import { compareValues } from "./compare.js";
import { plainNumber, toInteger } from "./numbers.js";
import { badValue, type Change, edit, failedToParse, idOf, lastPart, type Site, typeMismatch, type UpdateOperator } from "./update-operator.js";

const set: UpdateOperator = (operand) => edit(() => operand);
const unset: UpdateOperator = () => ({ draft, path }) => draft.remove(path);

const arithmetic = (name: "$inc" | "$mul", operator: ArithmeticOperator): UpdateOperator => (operand, path) => {
  if (!isNumber(operand)) {
    throw typeMismatch(`Cannot ${name === "$inc" ? "increment" : "multiply"} with non-numeric argument: {${path}: ${describe(operand)}}`);
  }
  return edit((current, site) => {
    // The type of the operand decides the type of the new field: $mul of a missing field is 0 of that type.
    if (current === undefined) return name === "$inc" ? operand : combine("*", operand, new Int32(0));
    if (!isNumber(current)) {
      throw typeMismatch(
        `Cannot apply ${name} to a value of non-numeric type. ${idOf(site.draft.root)} has the field '${lastPart(site.path)}' of non-numeric type ${typeName(current)}`,
      );
    }
    return combine(operator, current, operand) ?? overflow(name, current, site);
  });
};

function overflow(name: string, current: unknown, site: Site): never {
  throw badValue(`Failed to apply ${name} operations to current value (${describe(current)}) for document ${idOf(site.draft.root)}: the result leaves 64 bits`);
}

const extreme = (wanted: 1 | -1): UpdateOperator => (operand) =>
  edit((current) => (current === undefined || compareValues(operand, current) * wanted > 0 ? operand : current));

const currentDate: UpdateOperator = (operand) => {
  const type = dateType(operand);
  return edit(() => (type === "date" ? new Date() : timestampNow()));
};

function dateType(operand: unknown): "date" | "timestamp" {
  if (typeof operand === "boolean") return "date";
  if (!isObject(operand)) throw badValue(`${typeName(operand)} is not valid type for $currentDate. Please use a boolean ('true') or a $type expression ({$type: 'timestamp/date'}).`);
  const { $type: type, ...rest } = operand;
  if (Object.keys(rest).length > 0) throw badValue(`Unrecognized $currentDate option: ${Object.keys(rest)[0]}`);
  if (type === "date" || type === "timestamp") return type;
  throw badValue(`The '$type' string field is required to be 'date' or 'timestamp': {$currentDate: {field: {$type: 'date'}}}, got ${describe(type)}`);
}

let increment = 0;

/** The increment keeps two timestamps of one second apart within this process. */
function timestampNow(): Timestamp {
  increment = (increment + 1) >>> 0;
  return new Timestamp({ t: Math.floor(Date.now() / 1000), i: increment });
}

const BIT_OPERATIONS = new Map<string, (a: bigint, b: bigint) => bigint>([
  ["and", (a, b) => a & b],
  ["or", (a, b) => a | b],
  ["xor", (a, b) => a ^ b],
]);

const bit: UpdateOperator = (operand, path) => {
  if (!isObject(operand) || Object.keys(operand).length === 0) {
    throw badValue(`The $bit modifier is not compatible with a ${typeName(operand)}. You must pass in an embedded document: {$bit: {${path}: {and/or/xor: #}}}`);
  }
  const steps = Object.entries(operand).map(([name, value]) => bitStep(name, value));
  return edit((current, site) => {
    let value: unknown = current ?? new Int32(0);
    if (!isWhole(value)) throw badValue(`Cannot apply $bit to a value of non-integral type. ${idOf(site.draft.root)} has the field ${lastPart(site.path)} of non-integer type ${typeName(value)}`);
    for (const step of steps) value = step(value);
    return value;
  });
};

const isWhole = (value: unknown): boolean => typeName(value) === "int" || typeName(value) === "long";

function bitStep(name: string, operand: unknown): (value: unknown) => unknown {
  const apply = BIT_OPERATIONS.get(name);
  if (!apply) throw badValue(`The $bit modifier only supports 'and', 'or', and 'xor', not '${name}' which is an unknown operator: {${name}: ${describe(operand)}}`);
  if (!isWhole(operand)) throw badValue(`The $bit modifier field must be an Integer(32/64 bit); a '${typeName(operand)}' is not supported here`);
  return (value) => {
    const long = typeName(value) === "long" || typeName(operand) === "long";
    return integer(apply(wholeOf(value), wholeOf(operand)), long) ?? Long.ZERO;
  };
}

const wholeOf = (value: unknown): bigint => toInteger(plainNumber(value)) ?? 0n;

/** Called with the source path; the target is the operand. */
export function renameChange(from: string, to: string): Change {
  const source = from.split(".");
  return ({ draft, path }) => {
    refuseArrays(draft.root, source, "source");
    const value = draft.get(source);
    if (value === undefined) return;
    refuseArrays(draft.root, path, "destination");
    draft.remove(source);
    draft.set(path, value);
    if (draft.get(path) === undefined) throw new EngineError(28, "PathNotViable", `Cannot rename '${from}' to '${to}'`);
  };
}

function refuseArrays(root: unknown, path: readonly string[], role: string): void {
  let value = root;
  for (const part of path) {
    if (Array.isArray(value)) throw badValue(`The ${role} field cannot be an array element, '${path.join(".")}' has an array on the way to '${part}'`);
    value = isObject(value) && Object.hasOwn(value, part) ? value[part] : undefined;
  }
}

export function renameTarget(from: string, to: unknown): string {
  if (typeof to !== "string") throw badValue(`The 'to' field for $rename must be a string: ${from}: ${describe(to)}`);
  if (from === to) throw badValue(`The source and target field for $rename must differ: ${from}: "${to}"`);
  for (const path of [from, to]) {
    if (/(?:^|\.)\$/.test(path)) throw failedToParse(`The source and target fields for $rename may not contain '$': ${path}`);
  }
  return to;
}

export const fieldOperators: Readonly<Record<string, UpdateOperator>> = {
  $bit: bit,
  $currentDate: currentDate,
  $inc: arithmetic("$inc", "+"),
  $max: extreme(1),
  $min: extreme(-1),
  $mul: arithmetic("$mul", "*"),
  $set: set,
  $setOnInsert: set,
  $unset: unset,
};
