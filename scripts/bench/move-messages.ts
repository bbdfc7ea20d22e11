import type { Tier } from "../../src/tenancy/tier-policy.js";

/** What `move.bench.ts` asks of its servers, and what they tell. Times in ms. */
export type MoveQuestion =
  | { readonly do: "fill"; readonly tenant: string; readonly documents: number }
  | { readonly do: "move"; readonly tenant: string; readonly tier: Tier }
  | { readonly do: "write"; readonly tenant: string; readonly perSecond: number }
  | { readonly do: "stop" };

export interface MoveAnswer {
  readonly rows: number;
  readonly copyMs: number;
  readonly verifyMs: number;
  /** From the change of tier to the directory's new word. */
  readonly switchedMs: number;
  readonly pauseMs: number;
}

export interface WriteAnswer {
  readonly writesMs: readonly number[];
  readonly searchesMs: readonly number[];
  readonly failed: number;
}
