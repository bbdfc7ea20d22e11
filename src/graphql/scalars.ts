import { GraphQLScalarType, Kind } from "graphql";
import { GraphQLDateTime } from "graphql-scalars";
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

export const dateTime = GraphQLDateTime;
