/*
 * Long scans share the event loop: after a slice of work they let other connections have a turn.
 * Before it: a loop over many documents; after it: the same loop, a turn later.
 */
import { EngineError } from "../engine-error.js";

/** Milliseconds of work in one turn: well below what a waiting question would notice. */
const SLICE_MS = 2;
/** The clock is read once in so many steps, since reading it costs more than a cheap step. */
const STEPS_PER_LOOK = 16;

export class Breath {
  #sliceStartMs = performance.now();
  #steps = 0;

  constructor(
    /** `maxTimeMS` as a point in time, of `Date.now()`. */
    readonly deadlineMs = Number.POSITIVE_INFINITY,
  ) {}

  /** True when it is time to await `rest`. */
  get isSpent(): boolean {
    this.#steps += 1;
    return this.#steps % STEPS_PER_LOOK === 0 && performance.now() - this.#sliceStartMs > SLICE_MS;
  }

  /** Throws EngineError 50 MaxTimeMSExpired. */
  async rest(): Promise<void> {
    if (Date.now() > this.deadlineMs) throw new EngineError(50, "MaxTimeMSExpired", "operation exceeded time limit");
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#sliceStartMs = performance.now();
  }
}

/** Skips the empty steps of a search. */
export async function collectBreathing<T>(items: Iterable<T | undefined>, breath: Breath): Promise<T[]> {
  const all: T[] = [];
  for (const item of items) {
    if (item !== undefined) all.push(item);
    if (breath.isSpent) await breath.rest();
  }
  return all;
}
