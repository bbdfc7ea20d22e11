import { HeaderMap } from "@apollo/server";
import { GraphQLError } from "graphql";
import { maskError, maskRequestError, meantError } from "../graphql/mask-errors.js";
import { BulkheadError, internal } from "../kernel/errors.js";

/** For what Apollo reports before execution: the same error, with the HTTP status and headers of its code. */
export function toHttpError(error: unknown): GraphQLError {
  const meant = meantError(error) ?? (error instanceof GraphQLError ? requestFault(error) : internal("Unexpected error", error));
  return new GraphQLError(meant.message, {
    originalError: meant,
    extensions: { code: meant.code, http: { status: meant.httpStatus, headers: new HeaderMap(errorHeaders(meant)) } },
  });
}

/** The body and head of an answer outside Apollo, shaped as GraphQL answers are. */
export function toHttpAnswer(error: unknown, requestId: string): { status: number; headers: Record<string, string>; body: string } {
  const meant = meantError(error) ?? internal("Unexpected error", error);
  const masked = maskError(meant);
  const extensions = meant.code === "INTERNAL" ? { ...masked.extensions, requestId } : masked.extensions;
  return {
    status: meant.httpStatus,
    headers: { "content-type": "application/json; charset=utf-8", "cache-control": "no-store", ...Object.fromEntries(errorHeaders(meant)) },
    body: `${JSON.stringify({ errors: [{ ...masked, extensions }] })}\n`,
  };
}

/** Variables of the wrong type, found while pricing: the caller's fault, in graphql-js's words. */
function requestFault(error: GraphQLError): BulkheadError {
  return new BulkheadError("BAD_USER_INPUT", maskRequestError(error).message, { field: "variables" });
}

/** Limits of the requests a minute, of the tenant and of the user inside it. */
const requestLimits: ReadonlySet<string | undefined> = new Set(["requestsPerMinute", "userRequestsPerMinute"]);

function errorHeaders({ code, details: { retryAfterMs, limit } }: BulkheadError): [string, string][] {
  const headers: [string, string][] = [];
  if (code === "UNAUTHENTICATED") headers.push(["www-authenticate", "Bearer"]);
  // Whole seconds, rounded up: a client that waits for them must not come too early.
  const seconds = retryAfterMs === undefined ? undefined : String(Math.ceil(retryAfterMs / 1_000));
  if (seconds !== undefined) headers.push(["retry-after", seconds]);
  if (seconds !== undefined && code === "RATE_LIMITED" && requestLimits.has(limit)) headers.push(["ratelimit", `"requests";r=0;t=${seconds}`]);
  return headers;
}
