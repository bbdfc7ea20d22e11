import { GraphQLError, type GraphQLFormattedError } from "graphql";
import { BulkheadError, type ErrorCode } from "../kernel/errors.js";

/** Apollo's codes for documents and requests that are the caller's fault. */
const callersFault: ReadonlySet<unknown> = new Set([
  "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT", "BAD_REQUEST", "OPERATION_RESOLUTION_FAILURE", "PERSISTED_QUERY_NOT_SUPPORTED",
]);

/** graphql-js and Apollo say these without a code of their own. */
const tooComplexPattern = /Parsing aborted|recursively requests too many selections|exceeds the maximum/;

/** A message may quote the caller's variables back, all megabytes of them. */
const messageCharsMax = 500;

/**
 * What a caller sees of an error: a code of the catalogue, its message, its details. Anything that
 * was not thrown on purpose is `INTERNAL` and says nothing; the log has it, under the request id.
 */
export function maskError(error: unknown, formatted?: GraphQLFormattedError): GraphQLFormattedError {
  const place = placeOf(error, formatted);
  const meant = meantError(error);
  if (meant !== undefined && meant.code !== "INTERNAL") {
    return { message: meant.message, ...place, extensions: { code: meant.code, ...meant.details } };
  }
  if (meant === undefined && error instanceof GraphQLError && callersFault.has(error.extensions.code)) return maskRequestError(error);
  return { message: "Internal error", ...place, extensions: { code: "INTERNAL" satisfies ErrorCode } };
}

/** For errors of graphql-js about the document or its variables: the caller's own words, cut and coded. */
export function maskRequestError(error: GraphQLError): GraphQLFormattedError {
  const meant = meantError(error);
  if (meant !== undefined) return maskError(error);
  const code: ErrorCode = tooComplexPattern.test(error.message) ? "QUERY_TOO_COMPLEX" : "BAD_USER_INPUT";
  const message = error.message.length > messageCharsMax ? `${error.message.slice(0, messageCharsMax)}…` : error.message;
  return { message, ...placeOf(error), extensions: { code } };
}

/** The error as it was thrown on purpose, under whatever graphql-js and Apollo wrapped around it. */
export function meantError(error: unknown): BulkheadError | undefined {
  for (let current: unknown = error, depth = 0; depth < 8; depth += 1) {
    if (current instanceof BulkheadError) return current;
    if (!(current instanceof GraphQLError)) return undefined;
    current = current.originalError;
  }
  return undefined;
}

function placeOf(error: unknown, formatted?: GraphQLFormattedError): Pick<GraphQLFormattedError, "locations" | "path"> {
  const { locations, path } = formatted ?? (error instanceof GraphQLError ? error.toJSON() : {});
  return { ...(locations === undefined ? {} : { locations }), ...(path === undefined ? {} : { path }) };
}
