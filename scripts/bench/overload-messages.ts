/** What `overload.bench.ts` and its processes say to each other. */
import type { Target } from "./post-load.js";

export type OverloadRole = "model" | "bulkhead";

/** The server: its figures over the next `ms`. */
export interface WatchQuestion {
  readonly ms: number;
}

export interface WatchAnswer {
  /** Resident memory in bytes, at each second. */
  readonly rss: readonly number[];
  /** How late timers came, beyond their interval, in milliseconds. */
  readonly lagP99Ms: number;
  readonly lagMaxMs: number;
  /** User and system time of all threads, over the wall time. */
  readonly cpuShare: number;
}

export type LoadQuestion =
  | { readonly do: "closed"; readonly targets: readonly Target[]; readonly connections: number; readonly ms: number }
  | { readonly do: "overload"; readonly targets: readonly Target[]; readonly perSecond: number; readonly ms: number; readonly afterMs: number };

export interface ClosedAnswer {
  readonly perSecond: number;
  readonly p50Ms: number;
}

export interface OverloadAnswer {
  /** Requests that were to be sent. */
  readonly due: number;
  /** Of those: as many as the sockets and the time allowed. */
  readonly sent: number;
  /** Answered before the arrivals ended. */
  readonly answered: number;
  readonly refused: number;
  /** Neither answered nor refused for load, with what the first of them got. */
  readonly failed: number;
  readonly firstFailure?: string;
  /** From the client's first byte to its last, which counts the client's own waits for the processor as well. */
  readonly refusedP50Ms: number;
  readonly refusedP99Ms: number;
  /** Of questions asked one after another by each tenant, from the end of the arrivals on: by when they began, and how long they took. */
  readonly after: readonly { readonly beganMs: number; readonly tookMs: number }[];
}
