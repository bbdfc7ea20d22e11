/**
 * The isolation audit's way in. It begins behind the verification of tokens and behind the rate of
 * requests, with a caller that the audit names, and is otherwise the way of every request: the same
 * opener makes the context, the same schema runs it. Only the audit's own tenants are let through,
 * and no transport holds a reference to it.
 */
import { execute, GraphQLError, subscribe, type DocumentNode, type ExecutionResult, type GraphQLSchema } from "graphql";
import type { ProbeAnswer, ProbeCaller, ProbeExecutor } from "../audit/probe-executor.js";
import { Deadline } from "../kernel/deadline.js";
import { serviceUnavailable } from "../kernel/errors.js";
import { newId, type AdapterId, type RequestId } from "../kernel/ids.js";
import type { Telemetry } from "../kernel/telemetry.js";
import type { TenantRequest } from "../graphql/request-context.js";
import type { VerifiedTenantCaller } from "../tenancy/verified-caller.js";
import { logUnexpected } from "./apollo-server.js";
import { maskResult } from "./cut-stream.js";
import type { RequestOpener } from "./open-request.js";

export interface ProbeDoorParts {
  readonly schema: GraphQLSchema;
  readonly opener: RequestOpener;
  readonly telemetry: Telemetry;
  readonly requestDeadlineMs: number;
}

/** Any time after now would do: a probe ends by its deadline. */
const callerSeconds = 3_600;

export class ProbeDoor implements ProbeExecutor {
  constructor(private readonly parts: ProbeDoorParts) {}

  get schema(): GraphQLSchema {
    return this.parts.schema;
  }

  run(caller: ProbeCaller, document: DocumentNode, variables: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<ProbeAnswer> {
    return this.#within(caller, this.parts.requestDeadlineMs, signal, async (context) => this.#answer(await execute({ schema: this.parts.schema, document, variableValues: variables, contextValue: context }), context));
  }

  stream(caller: ProbeCaller, document: DocumentNode, variables: Readonly<Record<string, unknown>>, eventsMax: number, msMax: number, signal: AbortSignal): Promise<readonly ProbeAnswer[]> {
    return this.#within(caller, msMax, signal, async (context) => {
      const source = await subscribe({ schema: this.parts.schema, document, variableValues: variables, contextValue: context });
      if (!(Symbol.asyncIterator in source)) return [this.#answer(source, context)];
      const answers: ProbeAnswer[] = [];
      try {
        // A source fails with the deadline's reason, so a silent one ends as well.
        while (answers.length < eventsMax) {
          const step = await source.next();
          if (step.done === true) break;
          answers.push(this.#answer(step.value, context));
        }
      } catch (error) {
        answers.push(this.#answer({ errors: [new GraphQLError("Stream failed", { originalError: error instanceof Error ? error : undefined })] }, context));
      } finally {
        await source.return(undefined);
      }
      return answers;
    });
  }

  importWeights(caller: ProbeCaller, name: string, file: Buffer): Promise<AdapterId> {
    return this.#within(caller, this.parts.requestDeadlineMs, undefined, async ({ services, tenant, deadline }) => (await services.adapterFiles.import(tenant, deadline, { name, baseModel: "audit", file })).id);
  }

  exportWeights(caller: ProbeCaller, id: AdapterId): Promise<Buffer> {
    return this.#within(caller, this.parts.requestDeadlineMs, undefined, ({ services, tenant, deadline }) => services.adapterFiles.export(tenant, deadline, id));
  }

  async #within<T>({ tenantId, userId, roles }: ProbeCaller, ms: number, signal: AbortSignal | undefined, work: (context: TenantRequest) => Promise<T>): Promise<T> {
    const caller: VerifiedTenantCaller = { kind: "TENANT", tenantId, userId, roles, expiresAt: Math.ceil(Date.now() / 1_000) + callerSeconds };
    const deadline = Deadline.after(ms);
    const stop = (): void => deadline.abort(serviceUnavailable("The audit was stopped"));
    signal?.addEventListener("abort", stop);
    if (signal?.aborted === true) stop();
    try {
      return await work(await this.parts.opener.openProbe(caller, newId<RequestId>("request"), deadline));
    } finally {
      signal?.removeEventListener("abort", stop);
      deadline.dispose();
    }
  }

  #answer(result: ExecutionResult, context: TenantRequest): ProbeAnswer {
    // A variable of a false form is the probe's own doing; everything else that was not meant is told in the log.
    const masked = maskResult(result, context, (error) => {
      if (error.path !== undefined || !isVariableFault(error)) logUnexpected(error, context, this.parts.telemetry);
    });
    return {
      data: masked.data ?? null,
      errors: (masked.errors ?? []).map(({ message, path, extensions }) => ({ message, ...(path === undefined ? {} : { path }), code: String(extensions["code"] ?? "INTERNAL") })),
      text: JSON.stringify(masked),
    };
  }
}

/** Of graphql-js, about a value that has not the form of its type. */
function isVariableFault({ originalError }: GraphQLError): boolean {
  return originalError === undefined || originalError instanceof GraphQLError;
}
