import { setMaxListeners } from "node:events";
import { deadlineExceeded, type BulkheadError } from "./errors.js";

/**
 * The one deadline of a request, handed down and never restarted. `signal` fires when time is up
 * or when the client has gone, whichever is first; its reason is the error to report.
 */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly endsAt: number;

  private constructor(readonly limitMs: number) {
    // performance.now() never jumps when the wall clock is set.
    this.endsAt = performance.now() + limitMs;
    this.#timer = setTimeout(() => this.#controller.abort(deadlineExceeded(limitMs)), limitMs);
    this.#timer.unref();
    // One document may hold dozens of fields, and each listens for the end of its request.
    setMaxListeners(0, this.#controller.signal);
  }

  static after(limitMs: number): Deadline {
    return new Deadline(limitMs);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Milliseconds left, never negative. */
  remainingMs(): number {
    return Math.max(0, this.endsAt - performance.now());
  }

  /** Ends the request early, for instance because its client has gone. */
  abort(reason: BulkheadError): void {
    this.#controller.abort(reason);
  }

  /** Throws `DEADLINE_EXCEEDED` (or the reason given to `abort`) once the request must stop. */
  throwIfOver(): void {
    this.signal.throwIfAborted();
  }

  /** Must be called once when the request ends, or its timer lives until the limit. */
  dispose(): void {
    clearTimeout(this.#timer);
  }
}
