import type { ExecutionResult } from "graphql";
import { ClientGone } from "../kernel/client-gone.js";
import type { Deadline } from "../kernel/deadline.js";

/**
 * The one result of a query or mutation over a transport that streams, as a stream of one. The
 * libraries end a stream when its client completes the operation or goes; a promise they only await,
 * and a question would be answered, and paid for, for nobody.
 */
export class SingleAnswer implements AsyncGenerator<ExecutionResult, void, void> {
  #isOver = false;

  constructor(
    private readonly result: Promise<ExecutionResult>,
    private readonly deadline: Deadline,
    /** Asked when the client has gone: whether its connection broke without a word. */
    private readonly isLost: () => boolean,
  ) {
    // Whoever has gone reads no failure, and it must not end the process.
    result.catch(() => undefined);
  }

  async next(): Promise<IteratorResult<ExecutionResult, void>> {
    if (this.#isOver) return { done: true, value: undefined };
    try {
      const value = await this.result;
      return this.#isOver ? { done: true, value: undefined } : { done: false, value };
    } finally {
      this.#isOver = true;
    }
  }

  return(): Promise<IteratorResult<ExecutionResult, void>> {
    if (!this.#isOver) this.deadline.abort(new ClientGone(this.isLost()));
    this.#isOver = true;
    return Promise.resolve({ done: true, value: undefined });
  }

  async throw(error: unknown): Promise<IteratorResult<ExecutionResult, void>> {
    await this.return();
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }
}
