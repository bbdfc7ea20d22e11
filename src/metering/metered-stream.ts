import type { MeteredVisit } from "./metered-visit.js";
import { untilAborted } from "./until-aborted.js";

/**
 * Hands on the items of a metered work and settles however that ends. An object instead of an async
 * generator, because a generator that is dropped before its first `next` never runs its `finally`
 * and would keep its turn for ever.
 */
export class MeteredStream<T> implements AsyncIterableIterator<T> {
  readonly #items: AsyncIterator<T>;
  readonly #onAbort = () => void this.#end("ABORTED");
  #ended = false;

  constructor(items: AsyncIterable<T>, private readonly visit: MeteredVisit, private readonly signal: AbortSignal) {
    this.#items = items[Symbol.asyncIterator]();
    if (signal.aborted) this.#onAbort();
    else signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<T>> {
    if (this.#ended) {
      this.signal.throwIfAborted();
      return { done: true, value: undefined };
    }
    try {
      const item = await untilAborted(this.#items.next(), this.signal);
      if (item.done === true) await this.#end("OK");
      return item;
    } catch (error) {
      await this.#end(this.signal.aborted ? "ABORTED" : "FAILED");
      throw error;
    }
  }

  /** The consumer went away. */
  async return(): Promise<IteratorResult<T>> {
    await this.#end("ABORTED");
    return { done: true, value: undefined };
  }

  async #end(outcome: "OK" | "FAILED" | "ABORTED"): Promise<void> {
    if (!this.#ended) {
      this.#ended = true;
      this.signal.removeEventListener("abort", this.#onAbort);
      // Not awaited: work that hangs must not hold the settlement. What it still throws has no reader.
      if (outcome === "ABORTED") this.#items.return?.().then(undefined, () => undefined);
    }
    await this.visit.finish(outcome);
  }
}
