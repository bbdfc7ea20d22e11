import { setMaxListeners } from "node:events";
import { deadlineExceeded, type BulkheadError } from "./errors.js";
import { StageClock } from "./stage-clock.js";

/**
 * The one deadline of a request, handed down and never restarted. `signal` fires when time is up
 * or when the client has gone, whichever is first; its reason is the error to report. The clock of
 * the request's stages goes with it, since it comes to the same places and lives as long.
 */
export class Deadline {
  /** Both are made for the first who listens: most requests end before anybody does. */
  #controller: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #reason: BulkheadError | undefined;
  #disposed = false;
  readonly endsAt: number;

  private constructor(readonly limitMs: number, private given: StageClock | undefined) {
    // performance.now() never jumps when the wall clock is set.
    this.endsAt = performance.now() + limitMs;
  }

  /** `clock`: left out, one of its own. */
  static after(limitMs: number, clock?: StageClock): Deadline {
    return new Deadline(limitMs, clock);
  }

  get clock(): StageClock {
    return (this.given ??= new StageClock());
  }

  get signal(): AbortSignal {
    return (this.#controller ??= this.#listen()).signal;
  }

  /** Milliseconds left, never negative. */
  remainingMs(): number {
    return Math.max(0, this.endsAt - performance.now());
  }

  /** Ends the request early, for instance because its client has gone. */
  abort(reason: BulkheadError): void {
    this.#reason ??= reason;
    this.#controller?.abort(this.#reason);
  }

  /** Throws `DEADLINE_EXCEEDED` (or the reason given to `abort`) once the request must stop. */
  throwIfOver(): void {
    if (this.#reason === undefined && this.#isOver()) this.abort(deadlineExceeded(this.limitMs));
    if (this.#reason !== undefined) throw this.#reason;
  }

  /** Must be called once when the request ends, or its timer lives until the limit. */
  dispose(): void {
    this.#disposed = true;
    clearTimeout(this.#timer);
    this.given?.end();
  }

  /** Once disposed, its request has ended in time and stays so. */
  #isOver(): boolean {
    return !this.#disposed && performance.now() >= this.endsAt;
  }

  #listen(): AbortController {
    const controller = new AbortController();
    // One document may hold dozens of fields, and each listens for the end of its request.
    setMaxListeners(0, controller.signal);
    if (this.#reason === undefined && this.#isOver()) this.#reason = deadlineExceeded(this.limitMs);
    if (this.#reason !== undefined) controller.abort(this.#reason);
    else if (!this.#disposed) this.#timer = setTimeout(() => this.abort(deadlineExceeded(this.limitMs)), this.remainingMs()).unref();
    return controller;
  }
}
