/*
 * What every operator does with its operand: count the arguments, name the wrong ones, compile the rest.
 * Before it: expression.ts; the families of operators call it.
 */
import { EngineError } from "../engine-error.js";
import { describe, isObject, typeName } from "./bson-kinds.js";
import type { Compile, Evaluate, Frame, OperatorBuilder } from "./expression-types.js";

/** An assertion of the server known by its number alone. */
export const location = (code: number, message: string): EngineError => new EngineError(code, `Location${code}`, message);
export const typeMismatch = (message: string): EngineError => new EngineError(14, "TypeMismatch", message);

export const isNullish = (value: unknown): value is null | undefined => value === null || value === undefined;

/** A single argument may come bare; throws 16020 when the count is not what the operator takes. */
export function positional(name: string, operand: unknown, compile: Compile, min: number, max: number): Evaluate[] {
  const list: unknown[] = Array.isArray(operand) ? operand : [operand];
  if (list.length >= min && list.length <= max) return list.map((item) => compile(item));
  const wanted = min === max ? `exactly ${min} arguments` : max === Infinity ? `at least ${min} arguments` : `at least ${min} arguments, and at most ${max}`;
  throw location(min === max ? 16020 : 28667, `Expression ${name} takes ${wanted}. ${list.length} were passed in.`);
}

/** An operator on the values of its arguments. */
export function onValues(min: number, max: number, apply: (values: unknown[], name: string, frame: Frame) => unknown): OperatorBuilder {
  return (operand, compile, name) => {
    const list = positional(name, operand, compile, min, max);
    return (frame) => apply(list.map((evaluate) => evaluate(frame)), name, frame);
  };
}

/** An operator on one value, for which null and missing give null. */
export function onValue(apply: (value: unknown, name: string) => unknown): OperatorBuilder {
  return onValues(1, 1, ([value], name) => (isNullish(value) ? null : apply(value, name)));
}

/** `{input: ..., as: ...}`. Throws $filter's 28646 to 28648 for every operator; the server numbers them one by one. */
export function named(name: string, operand: unknown, required: readonly string[], optional: readonly string[] = []): Record<string, unknown> {
  if (!isObject(operand)) throw location(28646, `${name} only supports an object as its argument, got ${typeName(operand)}`);
  for (const key of Object.keys(operand)) {
    if (!required.includes(key) && !optional.includes(key)) throw location(28647, `Unrecognized parameter to ${name}: ${key}`);
  }
  for (const key of required) {
    if (!Object.hasOwn(operand, key)) throw location(28648, `Missing '${key}' parameter to ${name}`);
  }
  return operand;
}

export function requireArray(value: unknown, code: number, message: string): unknown[] {
  if (!Array.isArray(value)) throw location(code, `${message}${value === undefined ? "missing" : typeName(value)}`);
  return value as unknown[];
}

/** Lower-case first, so that a user can shadow no system variable and no `__proto__`. */
export function variableName(name: unknown, operator: string): string {
  if (typeof name !== "string" || !/^[a-z\u0080-\uffff][\w\u0080-\uffff]*$/.test(name)) {
    throw new EngineError(9, "FailedToParse", `${describe(name)} is no valid name of a variable in ${operator}: it must start with a lower-case letter`);
  }
  return name;
}
