import { ClientGone } from "../kernel/client-gone.js";
import type { BulkheadError } from "../kernel/errors.js";
import { untilAborted } from "../metering/until-aborted.js";
import type { AnswerEvent } from "./answer-event.js";

/** Characters read ahead of the fastest listener: most answers whole, so that a slow reader does not keep a turn at the model. */
const readAheadMax = 16_384;

/**
 * An answer under way and whoever listens to it. It outlives a connection that broke, so that a client
 * that comes back goes on where it was: each listener hears it from its first word. It ends at once
 * when the last listener goes on purpose.
 */
export class LiveAnswer {
  readonly #events: AnswerEvent[] = [];
  readonly #positions = new Set<{ at: number }>();
  readonly #waiting: (() => void)[] = [];
  #end: { readonly error?: unknown } | undefined;

  /** `stop` ends the source; `onDeserted` is told when the last listener's connection broke. */
  constructor(
    private readonly source: AsyncIterable<AnswerEvent>,
    private readonly stop: (reason: BulkheadError) => void,
    private readonly onDeserted: () => void,
    /** The answer's own deadline: a listener that reads no more must not keep what the answer holds. */
    private readonly signal: AbortSignal,
  ) {}

  get isDeserted(): boolean {
    return this.#positions.size === 0 && this.#end === undefined;
  }

  /** Reads the source to its end, whether or not anyone listens. Never rejects. */
  async run(): Promise<void> {
    try {
      for await (const event of this.source) {
        this.#events.push(event);
        this.#wake();
        while (this.#isFarAhead()) await untilAborted(this.#change(), this.signal);
      }
      this.#end = {};
    } catch (error) {
      this.#end = { error };
    }
    this.#wake();
  }

  /** Every event from the first. Throws what the source throws, or the signal's reason. */
  async *listen(signal: AbortSignal): AsyncGenerator<AnswerEvent> {
    const position = { at: 0 };
    this.#positions.add(position);
    try {
      for (;;) {
        signal.throwIfAborted();
        const event = this.#events[position.at];
        if (event !== undefined) {
          position.at += 1;
          this.#wake();
          yield event;
        } else if (this.#end === undefined) {
          await untilAborted(this.#change(), signal);
        } else if ("error" in this.#end) {
          throw this.#end.error;
        } else {
          return;
        }
      }
    } finally {
      this.#positions.delete(position);
      this.#left(signal);
    }
  }

  #left(signal: AbortSignal): void {
    this.#wake();
    if (!this.isDeserted) return;
    const reason: unknown = signal.reason;
    if (reason instanceof ClientGone && reason.lost) this.onDeserted();
    else this.stop(reason instanceof ClientGone ? reason : new ClientGone(false));
  }

  #isFarAhead(): boolean {
    if (this.#positions.size === 0) return false;
    const furthest = Math.max(...[...this.#positions].map(({ at }) => at));
    const ahead = this.#events.slice(furthest).reduce((chars, event) => chars + (event.kind === "DELTA" ? event.text.length : 0), 0);
    return ahead > readAheadMax;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
