import { ApolloServer, type ApolloServerPlugin, type GraphQLRequestContext, type GraphQLRequestListener } from "@apollo/server";
import { ApolloServerPluginCacheControlDisabled, ApolloServerPluginUsageReportingDisabled } from "@apollo/server/plugin/disabled";
import { GraphQLError, type GraphQLFormattedError, type GraphQLSchema } from "graphql";
import { badUserInput, type ErrorCode } from "../kernel/errors.js";
import type { Telemetry } from "../kernel/telemetry.js";
import { maskError, maskRequestError, meantError } from "../graphql/mask-errors.js";
import { queryLimits, structuralLimits } from "../graphql/query-limits.js";
import type { RequestContext } from "../graphql/request-context.js";
import type { OperationTraces } from "../graphql/trace-operations.js";
import { noteCode, noteOperation } from "../graphql/request-facts.js";
import { toHttpError } from "./http-error.js";
import { landingPage } from "./landing-page.js";
import type { OperationGate, RequestsAdmitted } from "./operation-gate.js";

export interface ApolloParts {
  readonly schema: GraphQLSchema;
  readonly gate: OperationGate;
  readonly telemetry: Telemetry;
  readonly traces: OperationTraces;
  readonly production: boolean;
  /** Shown in Sandbox in development. */
  readonly firstQuery?: string;
}

export function makeApolloServer({ schema, gate, telemetry, traces, production, firstQuery }: ApolloParts): ApolloServer<RequestContext> {
  const log = (level: "debug" | "info" | "warn" | "error") => (message: unknown) => telemetry.log(level, String(message));
  return new ApolloServer<RequestContext>({
    schema,
    // Left on: whether a caller may introspect is decided by whether they are let in at all.
    introspection: true,
    csrfPrevention: true,
    persistedQueries: false,
    includeStacktraceInErrorResponses: false,
    hideSchemaDetailsFromClientErrors: true,
    stopOnTerminationSignals: false,
    parseOptions: { maxTokens: queryLimits.tokensMax },
    maxRecursiveSelections: queryLimits.selectionsMax,
    validationRules: [structuralLimits],
    formatError,
    logger: { debug: log("debug"), info: log("debug"), warn: log("warn"), error: log("error") },
    plugins: [
      // Halves the work of a request; no response here may be cached by anyone anyway.
      ApolloServerPluginCacheControlDisabled(),
      // An APOLLO_KEY in the environment would send tenants' operations to a third party.
      ApolloServerPluginUsageReportingDisabled(),
      landingPage({ production, ...(firstQuery === undefined ? {} : { firstQuery }) }),
      gatePlugin(gate, traces, telemetry),
    ],
  });
}

/** Apollo wraps graphql-js's errors about documents in its own class with a code; those are the caller's to read. */
function formatError(formatted: GraphQLFormattedError, error: unknown): GraphQLFormattedError {
  if (error instanceof GraphQLError && meantError(error) === undefined) {
    const code = error.extensions.code;
    if (code === "GRAPHQL_PARSE_FAILED" || code === "GRAPHQL_VALIDATION_FAILED") return maskRequestError(error);
  }
  return maskError(error, formatted);
}

/** One listener for all requests: it keeps no state, so none is made for each. */
function gatePlugin(gate: OperationGate, traces: OperationTraces, telemetry: Telemetry): ApolloServerPlugin<RequestContext> {
  const listener: GraphQLRequestListener<RequestContext> = {
    async didResolveOperation({ document, operation, queryHash, request, contextValue, response }) {
      const { clock } = contextValue.deadline;
      clock.enter("admission");
      try {
        if (operation === undefined) return;
        noteOperation(contextValue.facts, operation, queryHash);
        // Apollo would run a subscription once, as if it were a query, past the guard on `subscribe`.
        if (operation.operation === "subscription") throw badUserInput("operation", "a subscription over plain HTTP", "WebSocket, or POST with Accept: text/event-stream");
        const admitted = await gate.admit(document, operation, request.variables ?? {}, contextValue);
        traces.begin(operation, contextValue);
        if (admitted !== undefined) setRateLimitHeaders(response.http.headers, admitted);
      } catch (error) {
        throw toHttpError(error);
      } finally {
        clock.enter("execute");
      }
    },
    async didEncounterErrors({ errors, contextValue }) {
      for (const error of errors) logUnexpected(error, contextValue, telemetry);
    },
    async willSendResponse({ request, response, contextValue }) {
      contextValue.deadline.clock.enter("send");
      traces.end(contextValue);
      if (response.body.kind !== "single") return;
      const { errors } = response.body.singleResult;
      nameRequest(errors, contextValue);
      if (response.http.status === 400 && errors !== undefined && errors.length > faultsMax) response.body.singleResult.errors = errors.slice(0, faultsMax);
      if (isDocumentFault(response.http.status, errors) && readsLegacyJson(request.http?.headers.get("accept"))) response.http.status = 200;
    },
  };
  return { requestDidStart: (_request: GraphQLRequestContext<RequestContext>) => Promise.resolve(listener) };
}

/** Of one bad document: the first few tell enough, and an answer that grows with the attack is what it wants. */
const faultsMax = 5;

/**
 * GraphQL over HTTP, 6.4.1: with the older media type a status other than 200 may come from anything
 * between, so what is wrong with a document is told in the body alone. Limits of ours keep their 400.
 */
function readsLegacyJson(accept: string | undefined): boolean {
  return accept !== undefined && accept.includes("application/json") && !accept.includes("application/graphql-response+json");
}

function isDocumentFault(status: number | undefined, errors: readonly GraphQLFormattedError[] | undefined): boolean {
  return status === 400 && errors !== undefined && errors.every((error) => error.extensions?.code === ("BAD_USER_INPUT" satisfies ErrorCode));
}

/** Under the names of the IETF's draft (httpapi-ratelimit-headers, from revision 8), and under those of its revisions up to 6, which most clients still read. */
function setRateLimitHeaders(headers: Map<string, string>, { limit, remaining, resetsAt }: RequestsAdmitted): void {
  const seconds = Math.max(0, Math.ceil((resetsAt.getTime() - Date.now()) / 1_000));
  headers.set("ratelimit-policy", `"requests";q=${limit};w=60`);
  headers.set("ratelimit", `"requests";r=${remaining};t=${seconds}`);
  headers.set("ratelimit-limit", String(limit));
  headers.set("ratelimit-remaining", String(remaining));
  headers.set("ratelimit-reset", String(seconds));
}

/** What callers see as INTERNAL is told in full here. Messages of unexpected errors are ours or a library's, not a user's text. */
export function logUnexpected(error: GraphQLError, context: Pick<RequestContext, "requestId" | "facts">, telemetry: Telemetry): void {
  const masked = maskError(error).extensions?.code;
  noteCode(context.facts, String(masked));
  if (masked !== "INTERNAL") return;
  const cause = meantError(error) ?? error.originalError ?? error;
  telemetry.log("error", "Unexpected error in a field", { requestId: context.requestId, path: error.path?.join("."), err: cause });
  telemetry.count("unexpected_errors");
}

function nameRequest(errors: readonly GraphQLFormattedError[] | undefined, context: Pick<RequestContext, "requestId">): void {
  for (const error of errors ?? []) {
    if (error.extensions?.code === "INTERNAL") error.extensions.requestId = context.requestId;
  }
}
