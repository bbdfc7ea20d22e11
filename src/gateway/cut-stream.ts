import { GraphQLError, type ExecutionResult, type FormattedExecutionResult } from "graphql";
import { ClientGone } from "../kernel/client-gone.js";
import { unauthenticated } from "../kernel/errors.js";
import { maskError, maskRequestError, meantError } from "../graphql/mask-errors.js";
import type { RequestContext } from "../graphql/request-context.js";

type Report = (error: GraphQLError) => void;

/** Masks a result's errors; what is not meant for callers is reported first. */
export function maskResult(result: ExecutionResult, context: Pick<RequestContext, "requestId">, report: Report): ExecutionResult {
  if (result.errors === undefined) return result;
  const errors = result.errors.map((error) => {
    report(error);
    const masked = isVariableFault(error) ? maskRequestError(error) : maskError(error);
    const named = masked.extensions?.code === "INTERNAL" ? { ...masked, extensions: { ...masked.extensions, requestId: context.requestId } } : masked;
    return toGraphQLError(named);
  });
  return { ...result, errors };
}

/** graphql-js gives no path to an error found before the first field was run: that is a fault of the request. */
function isVariableFault(error: GraphQLError): boolean {
  return error.path === undefined && error.originalError === undefined;
}

/** The libraries print errors with `toJSON`, so the masked form must be an error again. */
export function toGraphQLError({ message, locations: _locations, path, extensions }: NonNullable<FormattedExecutionResult["errors"]>[number]): GraphQLError {
  return new GraphQLError(message, { ...(path === undefined ? {} : { path: [...path] }), ...(extensions === undefined ? {} : { extensions }) });
}

/**
 * A subscription's results until the context's deadline fires: at the token's end, at a suspension,
 * or when the client has gone. The last result of a cut stream names the reason.
 *
 * Written out rather than as an async generator: `return` of a generator waits for the pending
 * `next`, and a source that is silent would never be released.
 */
export class CutStream implements AsyncGenerator<ExecutionResult, void, void> {
  #done = false;

  constructor(
    private readonly source: AsyncGenerator<ExecutionResult, void, void>,
    private readonly context: RequestContext,
    private readonly report: Report,
    private readonly onEnd: () => void,
    /** Asked when the client has gone: whether its connection broke without a word. */
    private readonly isLost: () => boolean,
    /** Around each step: what a source does belongs to its operation, whoever asks for the step. */
    private readonly within: <T>(work: () => T) => T = (work) => work(),
  ) {}

  async next(): Promise<IteratorResult<ExecutionResult, void>> {
    if (this.#done) return { done: true, value: undefined };
    try {
      const step = await this.#stepOrCut();
      if (!step.done) return { done: false, value: maskResult(step.value, this.context, this.report) };
      this.#end();
      return { done: true, value: undefined };
    } catch (error) {
      this.#end();
      return this.#last(error);
    }
  }

  async return(): Promise<IteratorResult<ExecutionResult, void>> {
    this.context.deadline.abort(new ClientGone(this.isLost()));
    this.#end();
    return { done: true, value: undefined };
  }

  throw(error: unknown): Promise<IteratorResult<ExecutionResult, void>> {
    this.#end();
    return Promise.reject(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #stepOrCut(): Promise<IteratorResult<ExecutionResult, void>> {
    const { signal } = this.context.deadline;
    return new Promise((resolve, reject) => {
      const cut = (): void => reject(signal.reason);
      if (signal.aborted) return cut();
      signal.addEventListener("abort", cut, { once: true });
      // Also after a cut: the source's late failure then has a handler, and its reason has been told already.
      this.within(() => this.source.next()).then(resolve, reject).finally(() => signal.removeEventListener("abort", cut));
    });
  }

  #last(error: unknown): IteratorResult<ExecutionResult, void> {
    const expired = meantError(error)?.code === "DEADLINE_EXCEEDED" && this.context.deadline.signal.aborted;
    // A stream's deadline is its token's end, and says so.
    const reason = expired ? unauthenticated("The token has expired") : error;
    const wrapped = reason instanceof GraphQLError ? reason : new GraphQLError("Stream failed", { originalError: reason instanceof Error ? reason : undefined });
    return { done: false, value: maskResult({ errors: [wrapped] }, this.context, this.report) };
  }

  #end(): void {
    if (this.#done) return;
    this.#done = true;
    this.onEnd();
    this.context.deadline.dispose();
    // Not awaited: a source between two events ends only when it next looks at the signal.
    this.source.return().catch((error: unknown) => this.report(error instanceof GraphQLError ? error : new GraphQLError("A stream's source failed to close", { originalError: error instanceof Error ? error : undefined })));
  }
}
