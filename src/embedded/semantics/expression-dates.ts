/*
 * Operators on dates. A time zone is UTC or a fixed offset; named zones are refused by name.
 * Everything is computed on the UTC fields of the date shifted by that offset.
 */
import { Int32, Long, ObjectId, Timestamp } from "bson";
import { isNumber } from "./arithmetic.js";
import type { Doc } from "./bson-codec.js";
import { describe, isObject, typeName } from "./bson-kinds.js";
import { isNullish, location, named } from "./expression-operands.js";
import type { Compile, Evaluate, Frame, OperatorBuilder } from "./expression-types.js";
import { plainNumber, toInteger } from "./numbers.js";

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const WEEK_MS = 7 * DAY_MS;

const FIXED_MS: Readonly<Record<string, number>> = { millisecond: 1, second: SECOND_MS, minute: MINUTE_MS, hour: HOUR_MS, day: DAY_MS, week: WEEK_MS };
const MONTHS: Readonly<Record<string, number>> = { month: 1, quarter: 3, year: 12 };
const MONTH_NAMES = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const WEEKDAYS = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

/** Milliseconds since 1970 of a date, an ObjectId's or a timestamp's time. */
function timeOf(value: unknown, name: string): number {
  if (value instanceof Date) return value.getTime();
  if (value instanceof ObjectId) return value.getTimestamp().getTime();
  if (value instanceof Timestamp) return value.t * SECOND_MS;
  throw location(16006, `${name}: can't convert from BSON type ${typeName(value)} to Date`);
}

function offsetOf(zone: unknown): number {
  if (zone === "UTC" || zone === "GMT" || zone === "Z") return 0;
  const parts = typeof zone === "string" ? /^([+-])(\d\d)(?::?(\d\d))?$/.exec(zone) : null;
  if (!parts) throw location(40485, `unrecognized time zone identifier: ${describe(zone)}, expected UTC or an offset such as +02:00`);
  return (parts[1] === "-" ? -1 : 1) * (Number(parts[2]) * HOUR_MS + Number(parts[3] ?? 0) * MINUTE_MS);
}

/** The optional zone of an operator: a function giving milliseconds, or null when it is null or missing. */
function zoneReader(fields: Doc, compile: Compile): (frame: Frame) => number | null {
  if (!Object.hasOwn(fields, "timezone")) return () => 0;
  const zone = compile(fields["timezone"]);
  return (frame) => {
    const value = zone(frame);
    return isNullish(value) ? null : offsetOf(value);
  };
}

const part =
  (read: (date: Date) => number, long = false): OperatorBuilder =>
  (operand, compile, name) => {
    const bare = Array.isArray(operand) && operand.length === 1 ? (operand[0] as unknown) : operand;
    const isNamed = isObject(bare) && Object.hasOwn(bare, "date");
    const fields = isNamed ? named(name, bare, ["date"], ["timezone"]) : { date: bare };
    const date = compile(fields["date"]);
    const zone = zoneReader(fields, compile);
    return (frame) => {
      const value = date(frame);
      const offset = zone(frame);
      if (isNullish(value) || offset === null) return null;
      const number = read(new Date(timeOf(value, name) + offset));
      return long ? Long.fromNumber(number) : new Int32(number);
    };
  };

const startOfYear = (year: number): number => new Date(0).setUTCFullYear(year, 0, 1);
const startOfDay = (time: number): number => Math.floor(time / DAY_MS) * DAY_MS;
const dayOfYear = (date: Date): number => (startOfDay(date.getTime()) - startOfYear(date.getUTCFullYear())) / DAY_MS + 1;
const isoWeekday = (date: Date): number => date.getUTCDay() || 7;
/** Weeks begin on Sunday; the days before the first Sunday are week 0. */
const week = (date: Date): number => Math.floor((dayOfYear(date) - 1 - date.getUTCDay() + 7) / 7);
/** ISO 8601: a week belongs to the year of its Thursday. */
const thursday = (date: Date): Date => new Date(startOfDay(date.getTime()) + (4 - isoWeekday(date)) * DAY_MS);
const isoWeek = (date: Date): number => Math.ceil(dayOfYear(thursday(date)) / 7);

const pad = (value: number, width: number): string => String(value).padStart(width, "0");

const FORMATS: Readonly<Record<string, (date: Date, offset: number) => string>> = {
  "%": () => "%",
  b: (date) => MONTH_NAMES[date.getUTCMonth()]!.slice(0, 3),
  B: (date) => MONTH_NAMES[date.getUTCMonth()]!,
  d: (date) => pad(date.getUTCDate(), 2),
  G: (date) => pad(thursday(date).getUTCFullYear(), 4),
  H: (date) => pad(date.getUTCHours(), 2),
  j: (date) => pad(dayOfYear(date), 3),
  L: (date) => pad(date.getUTCMilliseconds(), 3),
  m: (date) => pad(date.getUTCMonth() + 1, 2),
  M: (date) => pad(date.getUTCMinutes(), 2),
  S: (date) => pad(date.getUTCSeconds(), 2),
  u: (date) => String(isoWeekday(date)),
  U: (date) => pad(week(date), 2),
  V: (date) => pad(isoWeek(date), 2),
  w: (date) => String(date.getUTCDay() + 1),
  Y: (date) => pad(date.getUTCFullYear(), 4),
  z: (_date, offset) => `${offset < 0 ? "-" : "+"}${pad(Math.floor(Math.abs(offset) / HOUR_MS), 2)}${pad((Math.abs(offset) / MINUTE_MS) % 60, 2)}`,
  Z: (_date, offset) => String(offset / MINUTE_MS),
};

function format(date: Date, offset: number, pattern: string): string {
  return pattern.replace(/%([\s\S]?)/g, (_all, letter: string) => {
    const write = Object.hasOwn(FORMATS, letter) ? FORMATS[letter] : undefined;
    if (!write) throw location(18536, `Invalid format character '%${letter}' in format string`);
    return write(date, offset);
  });
}

const dateToString: OperatorBuilder = (operand, compile, name) => {
  const fields = named(name, operand, ["date"], ["format", "timezone", "onNull"]);
  const [date, onNull] = [compile(fields["date"]), compile(fields["onNull"] ?? null)];
  const pattern = Object.hasOwn(fields, "format") ? compile(fields["format"]) : undefined;
  const zone = zoneReader(fields, compile);
  return (frame) => {
    const value = date(frame);
    if (isNullish(value)) return onNull(frame);
    const offset = zone(frame);
    const text = pattern ? pattern(frame) : `%Y-%m-%dT%H:%M:%S.%L${offset === 0 ? "Z" : "%z"}`;
    if (offset === null || isNullish(text)) return null;
    if (typeof text !== "string") throw location(18533, `$dateToString requires that 'format' be a string, found: ${typeName(text)}`);
    return format(new Date(timeOf(value, name) + offset), offset, text);
  };
};

function requireUnit(unit: unknown, name: string): string {
  if (typeof unit === "string" && (Object.hasOwn(FIXED_MS, unit) || Object.hasOwn(MONTHS, unit))) return unit;
  throw location(5439013, `${name}: unknown time unit value: ${describe(unit)}`);
}

function wholeAmount(value: unknown, name: string): number {
  const amount = isNumber(value) ? toInteger(plainNumber(value)) : undefined;
  if (amount === undefined) throw location(5166405, `${name} expects a whole number as amount, got ${describe(value)}`);
  return Number(amount);
}

/** A day that the month does not have becomes its last: January 31 and a month is February's end. */
function addUnits(time: number, unit: string, amount: number): number {
  const fixed = FIXED_MS[unit];
  if (fixed !== undefined) return time + amount * fixed;
  const date = new Date(time);
  const day = date.getUTCDate();
  date.setUTCDate(1);
  date.setUTCMonth(date.getUTCMonth() + amount * MONTHS[unit]!);
  const monthDays = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
  return date.setUTCDate(Math.min(day, monthDays));
}

const shift =
  (direction: 1 | -1): OperatorBuilder =>
  (operand, compile, name) => {
    const fields = named(name, operand, ["startDate", "unit", "amount"], ["timezone"]);
    const [date, unit, amount] = ["startDate", "unit", "amount"].map((key) => compile(fields[key])) as [Evaluate, Evaluate, Evaluate];
    const zone = zoneReader(fields, compile);
    return (frame) => {
      const [value, by, offset] = [date(frame), amount(frame), zone(frame)];
      const step = unit(frame);
      if (isNullish(value) || isNullish(by) || isNullish(step) || offset === null) return null;
      return new Date(addUnits(timeOf(value, name) + offset, requireUnit(step, name), direction * wholeAmount(by, name)) - offset);
    };
  };

/** Bins are counted from 2000-01-01, weeks from the first such weekday after it, as the server documents. */
const BIN_ORIGIN = Date.UTC(2000, 0, 1);
/** 2000-01-01 was a Saturday. */
const ORIGIN_WEEKDAY = 6;

function truncate(time: number, unit: string, bins: number, weekday: number): number {
  const fixed = FIXED_MS[unit];
  if (fixed !== undefined) {
    const origin = unit === "week" ? BIN_ORIGIN + ((weekday - ORIGIN_WEEKDAY + 7) % 7) * DAY_MS : BIN_ORIGIN;
    return origin + Math.floor((time - origin) / (fixed * bins)) * fixed * bins;
  }
  const size = MONTHS[unit]! * bins;
  const date = new Date(time);
  const months = (date.getUTCFullYear() - 2000) * 12 + date.getUTCMonth();
  return addUnits(BIN_ORIGIN, "month", Math.floor(months / size) * size);
}

function startOfWeek(value: unknown): number {
  const index = typeof value === "string" ? WEEKDAYS.findIndex((day) => day === value.toLowerCase() || day.slice(0, 3) === value.toLowerCase()) : -1;
  if (index < 0) throw location(5439015, `unrecognized start of a week: ${describe(value)}`);
  return index;
}

const dateTrunc: OperatorBuilder = (operand, compile, name) => {
  const fields = named(name, operand, ["date", "unit"], ["binSize", "timezone", "startOfWeek"]);
  const [date, unit, bin, first] = [compile(fields["date"]), compile(fields["unit"]), compile(fields["binSize"] ?? 1), compile(fields["startOfWeek"] ?? "sunday")];
  const zone = zoneReader(fields, compile);
  return (frame) => {
    const [value, step, size, offset] = [date(frame), unit(frame), bin(frame), zone(frame)];
    if (isNullish(value) || isNullish(step) || isNullish(size) || offset === null) return null;
    const bins = wholeAmount(size, name);
    if (bins < 1) throw location(5439018, `${name} requires 'binSize' to be greater than 0, but got ${bins}`);
    return new Date(truncate(timeOf(value, name) + offset, requireUnit(step, name), bins, startOfWeek(first(frame))) - offset);
  };
};

/** Boundaries crossed, not whole units passed: from 23:59 to 00:01 is one day. */
const dateDiff: OperatorBuilder = (operand, compile, name) => {
  const fields = named(name, operand, ["startDate", "endDate", "unit"], ["timezone", "startOfWeek"]);
  const [from, to, unit, first] = [compile(fields["startDate"]), compile(fields["endDate"]), compile(fields["unit"]), compile(fields["startOfWeek"] ?? "sunday")];
  const zone = zoneReader(fields, compile);
  return (frame) => {
    const [start, end, step, offset] = [from(frame), to(frame), unit(frame), zone(frame)];
    if (isNullish(start) || isNullish(end) || isNullish(step) || offset === null) return null;
    const unitName = requireUnit(step, name);
    const weekday = startOfWeek(first(frame));
    const [a, b] = [start, end].map((value) => truncate(timeOf(value, name) + offset, unitName, 1, weekday)) as [number, number];
    return Long.fromNumber(FIXED_MS[unitName] === undefined ? monthsBetween(a, b) / MONTHS[unitName]! : (b - a) / FIXED_MS[unitName]);
  };
};

function monthsBetween(a: number, b: number): number {
  const [from, to] = [new Date(a), new Date(b)];
  return (to.getUTCFullYear() - from.getUTCFullYear()) * 12 + to.getUTCMonth() - from.getUTCMonth();
}

export const dateOperators: Readonly<Record<string, OperatorBuilder>> = {
  $dateAdd: shift(1),
  $dateDiff: dateDiff,
  $dateSubtract: shift(-1),
  $dateToString: dateToString,
  $dateTrunc: dateTrunc,
  $dayOfMonth: part((date) => date.getUTCDate()),
  $dayOfWeek: part((date) => date.getUTCDay() + 1),
  $dayOfYear: part(dayOfYear),
  $hour: part((date) => date.getUTCHours()),
  $isoDayOfWeek: part(isoWeekday),
  $isoWeek: part(isoWeek),
  $isoWeekYear: part((date) => thursday(date).getUTCFullYear(), true),
  $millisecond: part((date) => date.getUTCMilliseconds()),
  $minute: part((date) => date.getUTCMinutes()),
  $month: part((date) => date.getUTCMonth() + 1),
  $second: part((date) => date.getUTCSeconds()),
  $week: part(week),
  $year: part((date) => date.getUTCFullYear()),
};
