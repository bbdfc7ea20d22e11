import { GraphQLScalarType, Kind } from "graphql";
import { badUserInput } from "../kernel/errors.js";
import { describe } from "../kernel/ids.js";

/**
 * GraphQL's Int ends at 2^31 − 1: as micro-dollars that is 2,147 dollars, and one month of a large
 * tenant's tokens. JSON numbers are exact up to 2^53 − 1.
 */
export const safeInt = new GraphQLScalarType<number, number>({
  name: "SafeInt",
  description: "A whole number that JSON carries exactly: at most 2^53 − 1 in size. Used for bytes, tokens and micro-dollars, which outgrow Int.",
  serialize: checked,
  parseValue: checked,
  parseLiteral: (node) => checked(node.kind === Kind.INT ? Number(node.value) : undefined),
});

function checked(value: unknown): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value)) throw badUserInput("SafeInt", describe(value), "a whole number of at most 2^53 − 1 in size");
  return value;
}

/** RFC 3339 with a zone: a time without one means another moment on every machine. */
const dateTimePattern = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/;

/** Our own, because the usual one answers with `Date` objects, and those make up a third of the cost of printing a list. */
export const dateTime = new GraphQLScalarType<Date, string>({
  name: "DateTime",
  description: "A moment as RFC 3339 writes it, such as 2026-03-01T12:00:00Z. Answers are in UTC with milliseconds.",
  serialize: printed,
  parseValue: parsed,
  parseLiteral: (node) => parsed(node.kind === Kind.STRING ? node.value : undefined),
});

function printed(value: unknown): string {
  if (!(value instanceof Date)) throw badUserInput("DateTime", describe(value), "a date");
  return rfc3339(value);
}

const dayMs = 86_400_000;

/** The day printed last: the rows of a list are mostly of few days. */
let printedDay = Number.NaN;
let printedDate = "";

/** `toISOString`, which takes a tenth of the time of a list apart into years and months again for each date of it. */
function rfc3339(value: Date): string {
  const ms = value.getTime();
  const day = Math.floor(ms / dayMs);
  if (day !== printedDay) {
    // Throws RangeError for an invalid date, before anything is remembered of it.
    printedDate = value.toISOString().slice(0, -13);
    printedDay = day;
  }
  const time = ms - day * dayMs;
  return `${printedDate}${two(Math.floor(time / 3_600_000))}:${two(Math.floor(time / 60_000) % 60)}:${two(Math.floor(time / 1_000) % 60)}.${three(time % 1_000)}Z`;
}

const twoDigits = Array.from({ length: 60 }, (_, number) => String(number).padStart(2, "0"));
const threeDigits = Array.from({ length: 1_000 }, (_, number) => String(number).padStart(3, "0"));

function two(number: number): string {
  return twoDigits[number] ?? "00";
}

function three(number: number): string {
  return threeDigits[number] ?? "000";
}

function parsed(value: unknown): Date {
  const moment = typeof value === "string" && dateTimePattern.test(value) ? new Date(value) : undefined;
  if (moment === undefined || Number.isNaN(moment.getTime())) throw badUserInput("DateTime", describe(value), "a moment such as 2026-03-01T12:00:00Z");
  return moment;
}
