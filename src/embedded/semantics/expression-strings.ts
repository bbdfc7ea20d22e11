/*
 * Operators on text. Positions count code points (CP) or UTF-8 bytes (Bytes), never UTF-16 units.
 */
import { Int32 } from "bson";
import { isNumber } from "./arithmetic.js";
import type { Doc } from "./bson-codec.js";
import { describe, KIND, kindOf, typeName } from "./bson-kinds.js";
import { compareStrings, regexOf, stringOf } from "./compare.js";
import { toText } from "./expression-conversions.js";
import { isNullish, location, named, onValues } from "./expression-operands.js";
import type { Compile, Evaluate, OperatorBuilder } from "./expression-types.js";
import { plainNumber, toInteger } from "./numbers.js";
import { compileRegex } from "./regex.js";

const isText = (value: unknown): boolean => kindOf(value) === KIND.string;

function requireText(value: unknown, code: number, message: string): string {
  if (!isText(value)) throw location(code, `${message}${value === undefined ? "missing" : typeName(value)}`);
  return stringOf(value);
}

function concat(values: unknown[]): unknown {
  if (values.some(isNullish)) return null;
  return values.map((value) => requireText(value, 16702, "$concat only supports strings, not ")).join("");
}

/** What is not a text is written as one; null and missing count as the empty text. */
const coerced = (apply: (text: string) => unknown): OperatorBuilder =>
  onValues(1, 1, ([value], name) => apply(coerce(value, name)));

function coerce(value: unknown, name: string): string {
  if (isNullish(value)) return "";
  const text = toText(value);
  if (text === undefined || typeof value === "boolean") throw location(16007, `${name}: can't convert from BSON type ${typeName(value)} to String`);
  return text;
}

/** ASCII alone, as the server does it: $toUpper of "é" is "é". */
const lower = (text: string): string => text.replace(/[A-Z]+/g, (part) => part.toLowerCase());
const upper = (text: string): string => text.replace(/[a-z]+/g, (part) => part.toUpperCase());

function position(value: unknown, name: string): number {
  const integer = isNumber(value) ? toInteger(plainNumber(value)) : undefined;
  if (integer === undefined) throw location(34450, `${name}: expected a whole number as index or length, but got ${describe(value)}`);
  if (integer < 0n) throw location(34455, `${name}: the index and the length must be nonnegative, but got ${integer}`);
  return Number(integer);
}

function substrCP([value, from, count]: unknown[], name: string): string {
  const start = position(from, name);
  return [...coerce(value, name)].slice(start, start + position(count, name)).join("");
}

function substrBytes([value, from, count]: unknown[], name: string): string {
  const bytes = Buffer.from(coerce(value, name));
  const start = position(from, name);
  // A negative length means "to the end" here, and here alone.
  const length = isNumber(count) && (toInteger(plainNumber(count)) ?? 0n) < 0n ? bytes.length : position(count, name);
  const stop = Math.min(start + length, bytes.length);
  const splits = (at: number): boolean => at < bytes.length && (bytes[at]! & 0xc0) === 0x80;
  if (splits(start) || splits(stop)) throw location(28656, `${name}: Invalid range, starting or ending in the middle of a UTF-8 character`);
  return bytes.toString("utf8", start, stop);
}

function split([value, separator]: unknown[]): unknown {
  if (isNullish(value) || isNullish(separator)) return null;
  const text = requireText(value, 40085, "$split requires an expression that evaluates to a string as a first argument, found: ");
  const by = requireText(separator, 40086, "$split requires an expression that evaluates to a string as a second argument, found: ");
  if (by === "") throw location(40087, "$split requires a non-empty separator");
  return text.split(by);
}

const indexOf = (units: (text: string) => readonly unknown[]): OperatorBuilder =>
  onValues(2, 4, ([value, wanted, from, to], name) => {
    if (isNullish(value)) return null;
    const text = units(requireText(value, 40093, `${name} requires a string as the first argument, found: `));
    const part = units(requireText(wanted, 40094, `${name} requires a string as the second argument, found: `));
    const start = from === undefined ? 0 : position(from, name);
    const stop = Math.min(to === undefined ? text.length : position(to, name), text.length);
    for (let at = start; at + part.length <= stop; at++) {
      if (part.every((unit, i) => unit === text[at + i])) return new Int32(at);
    }
    return new Int32(-1);
  });

const codePoints = (text: string): readonly unknown[] => [...text];
const bytesOf = (text: string): readonly unknown[] => [...Buffer.from(text)];

const length = (units: (text: string) => number): OperatorBuilder =>
  onValues(1, 1, ([value], name) => new Int32(units(requireText(value, 34471, `${name} requires a string argument, found: `))));

/** The white space that $trim removes unless told otherwise, from the server's documentation. */
const WHITE_SPACE = "\0 \t\n\v\f\r\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a";

const trim =
  (left: boolean, right: boolean): OperatorBuilder =>
  (operand, compile, name) => {
    const fields = named(name, operand, ["input"], ["chars"]);
    const input = compile(fields["input"]);
    const chars = compile(fields["chars"] ?? WHITE_SPACE);
    return (frame) => {
      const value = input(frame);
      const signs = chars(frame);
      if (isNullish(value) || isNullish(signs)) return null;
      const text = [...requireText(value, 50699, `${name} requires its input to be a string, got `)];
      const set = new Set(requireText(signs, 50700, `${name} requires 'chars' to be a string, got `));
      const start = left ? text.findIndex((sign) => !set.has(sign)) : 0;
      const end = right ? text.findLastIndex((sign) => !set.has(sign)) + 1 : text.length;
      return start < 0 ? "" : text.slice(start, end).join("");
    };
  };

/** The shared part of $regexMatch, $regexFind and $regexFindAll; a constant pattern is compiled once. */
const onRegex =
  (apply: (text: string | undefined, pattern: RegExp) => unknown): OperatorBuilder =>
  (operand, compile, name) => {
    const fields = named(name, operand, ["input", "regex"], ["options"]);
    const input = compile(fields["input"]);
    const pattern = patternReader(fields, compile, name);
    return (frame) => {
      const value = input(frame);
      const regex = pattern(frame) as RegExp | null;
      if (isNullish(value) || regex === null) return apply(undefined, /(?:)/);
      return apply(requireText(value, 51104, `${name} needs 'input' to be of type string, got `), regex);
    };
  };

function patternReader(fields: Doc, compile: Compile, name: string): Evaluate {
  const { regex, options = null } = fields;
  const read = (pattern: unknown, flags: unknown): RegExp | null => {
    if (isNullish(pattern)) return null;
    const parts = kindOf(pattern) === KIND.regex ? regexOf(pattern) : { pattern: requireText(pattern, 51105, `${name} needs 'regex' to be of type string or regex, got `), options: "" };
    return compileRegex(isNullish(flags) ? parts : { pattern: parts.pattern, options: requireText(flags, 51106, `${name} needs 'options' to be of type string, got `) });
  };
  const isConstant = !(typeof regex === "string" && regex.startsWith("$")) && (isText(regex) || kindOf(regex) === KIND.regex) && typeof options !== "object";
  if (isConstant || (kindOf(regex) === KIND.regex && options === null)) {
    const compiled = read(regex, options);
    return () => compiled;
  }
  const [pattern, flags] = [compile(regex), compile(options)];
  return (frame) => read(pattern(frame), flags(frame));
}

const codePointCount = (text: string): number => [...text].length;

const found = (match: RegExpExecArray): Doc => ({
  match: match[0],
  idx: new Int32(codePointCount(match.input.slice(0, match.index))),
  captures: match.slice(1).map((part: string | undefined) => part ?? null),
});

function findAll(text: string | undefined, pattern: RegExp): Doc[] {
  return text === undefined ? [] : [...text.matchAll(new RegExp(pattern, `${pattern.flags}g`))].map(found);
}

const replace = (all: boolean): OperatorBuilder => (operand, compile, name) => {
  const fields = named(name, operand, ["input", "find", "replacement"]);
  const list = ["input", "find", "replacement"].map((key) => compile(fields[key]));
  return (frame) => {
    const values = list.map((evaluate) => evaluate(frame));
    if (values.some(isNullish)) return null;
    const [text, find, by] = values.map((value) => requireText(value, 51744, `${name} requires its arguments to be strings, found: `)) as [string, string, string];
    // A function, because a plain replacement would read "$&" in it as a pattern.
    return all ? text.replaceAll(find, () => by) : text.replace(find, () => by);
  };
};

export const stringOperators: Readonly<Record<string, OperatorBuilder>> = {
  $concat: onValues(0, Infinity, concat),
  $indexOfBytes: indexOf(bytesOf),
  $indexOfCP: indexOf(codePoints),
  $ltrim: trim(true, false),
  $regexFind: onRegex((text, pattern) => (text === undefined ? null : findAll(text, pattern)[0] ?? null)),
  $regexFindAll: onRegex(findAll),
  $regexMatch: onRegex((text, pattern) => text !== undefined && pattern.test(text)),
  $replaceAll: replace(true),
  $replaceOne: replace(false),
  $rtrim: trim(false, true),
  $split: onValues(2, 2, split),
  $strcasecmp: onValues(2, 2, ([a, b], name) => new Int32(compareStrings(upper(coerce(a, name)), upper(coerce(b, name))))),
  $strLenBytes: length((text) => Buffer.byteLength(text)),
  $strLenCP: length(codePointCount),
  $substr: onValues(3, 3, substrBytes),
  $substrBytes: onValues(3, 3, substrBytes),
  $substrCP: onValues(3, 3, substrCP),
  $toLower: coerced(lower),
  $toUpper: coerced(upper),
  $trim: trim(true, true),
};
