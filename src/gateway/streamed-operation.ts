import { execute, getOperationAST, GraphQLError, parse, specifiedRules, subscribe, validate, type DocumentNode, type ExecutionArgs, type ExecutionResult, type GraphQLSchema, type OperationDefinitionNode } from "graphql";
import { Deadline } from "../kernel/deadline.js";
import { BulkheadError, badUserInput, serviceUnavailable, unauthenticated } from "../kernel/errors.js";
import { newId, type RequestId } from "../kernel/ids.js";
import { StageClock } from "../kernel/stage-clock.js";
import type { Telemetry } from "../kernel/telemetry.js";
import { queryLimits, structuralLimits } from "../graphql/query-limits.js";
import type { RequestContext } from "../graphql/request-context.js";
import type { RequestTimings, Served } from "../insights/timed-request.js";
import type { OperationTraces } from "../graphql/trace-operations.js";
import type { VerifiedCaller } from "../tenancy/verified-caller.js";
import { logUnexpected } from "./apollo-server.js";
import { CutStream, maskResult } from "./cut-stream.js";
import type { RequestOpener } from "./open-request.js";
import type { OperationGate } from "./operation-gate.js";
import { servedBy } from "./request-note.js";
import { SingleAnswer } from "./single-answer.js";
import { TenantShares } from "./tenant-shares.js";
import { noteOperation } from "../graphql/request-facts.js";
import type { RequestLog } from "./request-log.js";
import { sha256Of, type DocumentRequest, type DocumentSource } from "./trusted-documents.js";

export interface StreamParts {
  readonly schema: GraphQLSchema;
  readonly opener: RequestOpener;
  readonly gate: OperationGate;
  readonly documents: DocumentSource;
  readonly traces: OperationTraces;
  readonly log: RequestLog;
  readonly telemetry: Telemetry;
  readonly timings: RequestTimings;
  readonly requestDeadlineMs: number;
}

/** What a transport received. Nothing of it is trusted to have a type. */
export interface StreamRequest extends DocumentRequest {
  readonly operationName?: unknown;
  readonly variables?: unknown;
}

export interface PreparedOperation extends ExecutionArgs {
  readonly contextValue: RequestContext;
  readonly caller: VerifiedCaller;
  /** Whether the client's connection broke without a word. Where that cannot be told, as over SSE, every end is on purpose. */
  readonly isLost: () => boolean;
}

interface Told {
  served?: Served;
  context?: RequestContext;
}

/** A stream's life ends with its token; a day at most, for timers of 32 bits and for tokens that never end. */
const streamMsMax = 24 * 60 * 60 * 1_000;

/** Each looks at the database twice a second for as long as it lasts, while to open it costs one request. */
const streamsPerTenantMax = 200;

/** Well under the second within which a suspension must reach every server, given the directory's own half second. */
const suspensionCheckMs = 200;

/** Errors of one bad document: the first few tell enough. */
const validationErrorsMax = 20;

/**
 * Operations over WebSocket and server-sent events. Their libraries run graphql-js directly, past
 * Apollo's limits, plugins and masking; here each of these is applied again, in the same order.
 */
export class StreamedOperations {
  readonly #running = new Set<RequestContext>();
  readonly #shares = new TenantShares("openStreams", streamsPerTenantMax);

  constructor(private readonly parts: StreamParts) {}

  /**
   * Everything before execution. Throws what the caller did wrong or may not do. `whole`: the request
   * that the operation is a part of, where it is one; over a socket each operation is timed by itself.
   */
  async prepare(request: StreamRequest, caller: VerifiedCaller, isLost = () => false, whole?: StageClock): Promise<PreparedOperation> {
    const { schema, opener, gate } = this.parts;
    const told: Told = {};
    const clock = whole?.part("parse") ?? this.#timed(told);
    // A socket goes on reading for a while after it was told to close.
    if (caller.expiresAt * 1_000 <= Date.now()) throw unauthenticated("The token has expired");
    const { text, document, operation, variables } = this.#parse(request);
    const requestId = newId<RequestId>("request");
    const isSubscription = operation.operation === "subscription";
    const deadline = Deadline.after(isSubscription ? streamMs(caller) : this.parts.requestDeadlineMs, clock);
    try {
      clock.enter("auth");
      const contextValue = await opener.open(caller, requestId, deadline);
      const served = servedBy(contextValue);
      if (served !== undefined) told.served = served;
      told.context = contextValue;
      noteOperation(contextValue.facts, operation, sha256Of(text));
      clock.enter("admission");
      await gate.admit(document, operation, variables, contextValue);
      // Between two events of a stream nobody waits for this server; what an answer takes has stages of its own.
      clock.enter(isSubscription ? "watch" : "execute");
      this.parts.traces.begin(operation, contextValue);
      return { schema, document, operationName: operation.name?.value ?? null, variableValues: variables, contextValue, caller, isLost };
    } catch (error) {
      deadline.dispose();
      throw error;
    }
  }

  /** Runs a prepared operation. It, or its stream, ends when the token expires, the tenant is suspended, or the client goes. */
  async start(args: PreparedOperation): Promise<CutStream | SingleAnswer | ExecutionResult> {
    const context = args.contextValue;
    const report = (error: GraphQLError): void => logUnexpected(error, context, this.parts.telemetry);
    const operation = getOperationAST(args.document, args.operationName);
    if (operation?.operation === "subscription") return this.#openStream(args, report);
    return new SingleAnswer(this.#execute(args, report), context.deadline, args.isLost);
  }

  async #execute(args: PreparedOperation, report: (error: GraphQLError) => void): Promise<ExecutionResult> {
    const { contextValue: context, caller } = args;
    const watch = this.#watchSuspension(caller, context);
    try {
      return maskResult(await execute(args), context, report);
    } finally {
      clearInterval(watch);
      context.deadline.dispose();
      this.parts.traces.end(context);
    }
  }

  async #openStream(args: PreparedOperation, report: (error: GraphQLError) => void): Promise<CutStream | ExecutionResult> {
    const { contextValue: context, caller } = args;
    let release: (() => void) | undefined;
    try {
      release = this.#shares.take(caller);
      const result = await subscribe(args);
      if (Symbol.asyncIterator in result) {
        const watch = this.#watchSuspension(caller, context);
        this.#running.add(context);
        return new CutStream(result, context, report, () => {
          clearInterval(watch);
          this.#running.delete(context);
          this.parts.traces.end(context);
          release?.();
        }, args.isLost, (work) => this.parts.traces.within(context, work));
      }
      context.deadline.dispose();
      this.parts.traces.end(context);
      release?.();
      return maskResult(result, context, report);
    } catch (error) {
      context.deadline.dispose();
      this.parts.traces.end(context);
      release?.();
      // A result and not a throw: the libraries would close a whole socket over one operation.
      return maskResult({ errors: [new GraphQLError("No stream", { originalError: error instanceof Error ? error : undefined })] }, context, report);
    }
  }

  /** Over a socket each operation is a request: it is timed and logged by itself. */
  #timed(told: Told): StageClock {
    const startedAt = performance.now();
    return new StageClock("parse", (times, now) => {
      const wallMs = now - startedAt;
      const { served, context } = told;
      this.parts.timings.ended({ times, wallMs, ...(served === undefined ? {} : { served }) });
      if (context === undefined) return;
      const caller = context.kind === "TENANT" ? context.tenant.tenantId : "operator";
      this.parts.log.write("info", { requestId: context.requestId, transport: "WEBSOCKET", caller, context, times, wallMs, http: { route: "graphql" } });
    }, startedAt);
  }

  /** When the server drains: streams have no end of their own to wait for. */
  endAll(): void {
    for (const context of this.#running) context.deadline.abort(serviceUnavailable("The server is stopping"));
  }

  #parse(request: StreamRequest): { text: string; document: DocumentNode; operation: OperationDefinitionNode; variables: Record<string, unknown> } {
    const text = this.parts.documents.documentOf(request);
    if (typeof text !== "string") throw badUserInput("query", "no text", "a GraphQL document");
    const document = parse(text, { maxTokens: queryLimits.tokensMax });
    const errors = validate(this.parts.schema, document, specifiedRules, { hideSuggestions: true, maxErrors: validationErrorsMax });
    const invalid = errors[0] ?? validate(this.parts.schema, document, [structuralLimits])[0];
    if (invalid !== undefined) throw invalid;
    const operation = getOperationAST(document, typeof request.operationName === "string" ? request.operationName : undefined);
    if (!operation) throw badUserInput("operationName", "no operation of that name", "the name of one operation of the document");
    const variables = request.variables ?? {};
    if (typeof variables !== "object" || Array.isArray(variables)) throw badUserInput("variables", "no object", "an object");
    return { text, document, operation, variables: variables as Record<string, unknown> };
  }

  #watchSuspension(caller: VerifiedCaller, context: RequestContext): NodeJS.Timeout {
    const check = async (): Promise<void> => {
      try {
        await this.parts.opener.assertStillServed(caller, context.requestId);
      } catch (error) {
        // Fails closed: a stream whose tenant cannot be looked up is cut as well, and its client told to come again.
        context.deadline.abort(error instanceof BulkheadError ? error : unauthenticated());
      }
    };
    return setInterval(() => void check(), suspensionCheckMs).unref();
  }
}

function streamMs(caller: VerifiedCaller): number {
  return Math.max(0, Math.min(streamMsMax, caller.expiresAt * 1_000 - Date.now()));
}
