/*
 * Comparison, boolean and conditional operators, and the few that steer evaluation itself.
 */
import { Double, Int32 } from "bson";
import { truthy } from "./arithmetic.js";
import { describe, isObject } from "./bson-kinds.js";
import { compareValues } from "./compare.js";
import { isNullish, location, named, onValues, positional, variableName } from "./expression-operands.js";
import type { DocMeta, Evaluate, OperatorBuilder } from "./expression-types.js";

const compared = (holds: (order: number) => boolean): OperatorBuilder => onValues(2, 2, ([a, b]) => holds(compareValues(a, b)));

const and: OperatorBuilder = (operand, compile, name) => {
  const list = positional(name, operand, compile, 0, Infinity);
  return (frame) => list.every((evaluate) => truthy(evaluate(frame)));
};

const or: OperatorBuilder = (operand, compile, name) => {
  const list = positional(name, operand, compile, 0, Infinity);
  return (frame) => list.some((evaluate) => truthy(evaluate(frame)));
};

const cond: OperatorBuilder = (operand, compile, name) => {
  const branches = isObject(operand) ? condFields(operand) : operand;
  const [test, then, otherwise] = positional(name, branches, compile, 3, 3) as [Evaluate, Evaluate, Evaluate];
  return (frame) => (truthy(test(frame)) ? then(frame) : otherwise(frame));
};

function condFields(operand: unknown): unknown[] {
  const fields = named("$cond", operand, ["if", "then", "else"]);
  return [fields["if"], fields["then"], fields["else"]];
}

const ifNull: OperatorBuilder = (operand, compile, name) => {
  const list = positional(name, operand, compile, 2, Infinity);
  return (frame) => {
    let value: unknown;
    for (const evaluate of list) {
      value = evaluate(frame);
      if (!isNullish(value)) return value;
    }
    return value;
  };
};

const switchOperator: OperatorBuilder = (operand, compile, name) => {
  const fields = named(name, operand, ["branches"], ["default"]);
  if (!Array.isArray(fields["branches"])) throw location(40061, `$switch expected an array for 'branches', found: ${describe(fields["branches"])}`);
  const branches = fields["branches"].map((branch: unknown): [Evaluate, Evaluate] => {
    const { case: test, then } = named(name, branch, ["case", "then"]);
    return [compile(test), compile(then)];
  });
  if (branches.length === 0) throw location(40068, "$switch requires at least one branch");
  const otherwise = Object.hasOwn(fields, "default") ? compile(fields["default"]) : undefined;
  return (frame) => {
    for (const [test, then] of branches) if (truthy(test(frame))) return then(frame);
    if (otherwise) return otherwise(frame);
    throw location(40066, "$switch could not find a matching branch for an input, and no default was specified");
  };
};

const letOperator: OperatorBuilder = (operand, compile, name) => {
  const { vars, in: body } = named(name, operand, ["vars", "in"]);
  if (!isObject(vars)) throw location(16876, `invalid parameter: expected an object (vars), got ${describe(vars)}`);
  const bindings = Object.entries(vars).map(([key, value]): [string, Evaluate] => [variableName(key, name), compile(value)]);
  const evaluate = compile(body, Object.keys(vars));
  return (frame) => {
    const bound: Record<string, unknown> = { ...frame.vars };
    for (const [key, value] of bindings) bound[key] = value(frame);
    return evaluate({ ...frame, vars: bound });
  };
};

const META_FIELDS: readonly (keyof DocMeta)[] = ["vectorSearchScore", "searchScore"];

/** Missing where the document did not come from a search. */
const meta: OperatorBuilder = (operand) => {
  const field = META_FIELDS.find((name) => name === operand);
  if (!field) throw location(17308, `Unsupported argument to $meta: ${describe(operand)}, expected one of ${META_FIELDS.join(", ")}`);
  return (frame) => {
    const score = frame.meta?.[field];
    return score === undefined ? undefined : new Double(score);
  };
};

const literal: OperatorBuilder = (operand) => () => operand;

export const logicOperators: Readonly<Record<string, OperatorBuilder>> = {
  $eq: compared((order) => order === 0),
  $ne: compared((order) => order !== 0),
  $gt: compared((order) => order > 0),
  $gte: compared((order) => order >= 0),
  $lt: compared((order) => order < 0),
  $lte: compared((order) => order <= 0),
  $cmp: onValues(2, 2, ([a, b]) => new Int32(Math.sign(compareValues(a, b)))),
  $and: and,
  $or: or,
  $not: onValues(1, 1, ([value]) => !truthy(value)),
  $cond: cond,
  $ifNull: ifNull,
  $switch: switchOperator,
  $let: letOperator,
  $meta: meta,
  $literal: literal,
  $rand: onValues(0, 0, () => new Double(Math.random())),
};
