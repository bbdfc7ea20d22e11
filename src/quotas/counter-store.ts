/**
 * The port to where limits are counted: this process, MongoDB or Redis. Before it comes
 * `sliding-window.ts`, which makes minutes of these counters; after it rate-limiter-flexible.
 */
export interface CounterStore {
  /** Whether other servers count here too: decides how much may be remembered between calls. */
  readonly shared: boolean;
  /** Rises whenever the store may have lost its counters. */
  readonly generation: number;
  /**
   * Adds `points` to the counter `key`, which is forgotten `windowMs` after its first take, and tells
   * what it then stands at. A take that would pass `limit` is given back before this resolves.
   * Throws `CounterStoreFailed`, never for a limit that was hit.
   */
  take(key: string, points: number, limit: number, windowMs: number): Promise<Take>;
  /** Returns points to the counter they came from. A counter that is forgotten by now stays harmless. Throws `CounterStoreFailed`. */
  giveBack(key: string, points: number, windowMs: number): Promise<void>;
  /** What each counter stands at, 0 for one that does not exist, never less than 0. Throws `CounterStoreFailed`. */
  read(keys: readonly string[]): Promise<readonly number[]>;
  /** Deletes the counters; gives how many of them there were. Throws `CounterStoreFailed`. */
  forget(keys: readonly string[]): Promise<number>;
  close(): Promise<void>;
}

export type Take =
  | { readonly kind: "TAKEN"; readonly used: number }
  | { readonly kind: "REFUSED"; readonly used: number };

/**
 * The store could not be asked. Kept apart from "limit hit" by its type: treating one as the other
 * either admits everybody or locks everybody out.
 */
export class CounterStoreFailed extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "CounterStoreFailed";
  }
}
