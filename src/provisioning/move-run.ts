import type { TenantId } from "../kernel/ids.js";
import type { LeasedCache } from "../kernel/leased-cache.js";
import { homeKey } from "../routing/home-key.js";
import type { ControlPlane, MoveChange, MovePhase, MoveRequest, PlacementMoveRow, Watermarks } from "../storage/control/control-plane.js";
import type { TenantHome } from "../storage/home.js";
import type { InTurn, RowSets } from "../storage/moving/moving-home.js";
import type { SiloProvider } from "../storage/silo-provider.js";
import type { CachedTenantDirectory } from "../tenancy/tenant-directory.js";
import type { Home } from "../tenancy/tenant-record.js";
import type { TierPolicies } from "../tenancy/tier-policy.js";

export interface MoveTools {
  readonly control: ControlPlane;
  readonly directory: CachedTenantDirectory;
  readonly homes: LeasedCache<TenantHome>;
  readonly silos: Pick<SiloProvider, "prepare" | "destroy">;
  readonly policies: TierPolicies;
  /** How long before a switch a tenant is announced as moving, in ms: longer than any server remembers where it lives. */
  readonly announceMs: number;
  /** How long the old home is kept whole after a switch so that an operator can call it back, in ms. */
  readonly observeMs: number;
  /** How long the old home is kept at least, in ms: longer than any read may trust it. */
  readonly retireAfterMs: number;
  /** Lets what tenants wait for go before a batch of a move, for a bounded time. Left out: batches go at once. */
  readonly turns?: { run<T>(tenantId: TenantId, signal: AbortSignal, batch: () => Promise<T>): Promise<T> };
  /** Told when a move has ended, whichever way. */
  readonly onMoved?: (tenantId: TenantId) => void;
  /** Told of every point between two effects. Proofs die, throw or wait there. */
  readonly at?: (point: string) => Promise<void>;
}

/** One server's drive of one move. What is not in `move` is lost with it, and found out again by the next. */
export interface MoveRun {
  /** As last recorded. */
  readonly move: PlacementMoveRow;
  /** Names this run to the fences; a later run of the same move has another. */
  readonly token: string;
  /** Extends the lease and persists progress. Throws `CONFLICT` once the lease is lost. */
  record(change: MoveChange): Promise<PlacementMoveRow>;
  /** As `record`, but only while `request` was not made. Undefined when it was. */
  recordUnless(request: MoveRequest, change: MoveChange): Promise<PlacementMoveRow | undefined>;
  /** Fires when the lease is lost or the server stops. */
  readonly signal: AbortSignal;
  readonly found: MoveFindings;
}

/** What a run has found out itself and nobody else may rely on. */
export interface MoveFindings {
  /** When the tenant was seen to be announced as moving, of `performance.now()`. */
  announcedAt?: number;
  /** Set when the two sides were compared under this run's claim: rows that are to be compared again. */
  suspects?: RowSets;
  /** Pauses that were given up because they grew too long. */
  pausesGivenUp: number;
  /** When the directory was seen to name the new home, of `performance.now()`. */
  settledAt?: number;
}

export type MoveStep = (tools: MoveTools, run: MoveRun) => Promise<MovePhase>;

/** The way a move goes: from `from` to `to`, or back when the switch was called back. */
export interface Leg {
  readonly source: Home;
  readonly target: Home;
  /** Epoch of the source's writers, and of the target's after the switch. */
  readonly sourceEpoch: number;
  readonly targetEpoch: number;
}

export function legOf(move: Pick<PlacementMoveRow, "from" | "to" | "reverting" | "targetEpoch">): Leg {
  const [source, target] = move.reverting ? [move.to, move.from] : [move.from, move.to];
  return { source, target, sourceEpoch: move.targetEpoch - 1, targetEpoch: move.targetEpoch };
}

export function watermarksOf(move: PlacementMoveRow): Watermarks {
  return move.watermarks ?? [];
}

export async function withHome<T>(tools: Pick<MoveTools, "homes">, home: Home, work: (opened: TenantHome) => Promise<T>): Promise<T> {
  const lease = await tools.homes.lease(homeKey(home));
  try {
    return await work(lease.value);
  } finally {
    lease.release();
  }
}

/** Both homes of a move's leg. */
export function withBoth<T>(tools: Pick<MoveTools, "homes">, { source, target }: Leg, work: (source: TenantHome, target: TenantHome) => Promise<T>): Promise<T> {
  return withHome(tools, source, (from) => withHome(tools, target, (to) => work(from, to)));
}

/** How the run's batches wait for their turn. A switch waits for nobody: writers wait for it. */
export function inTurnOf(tools: Pick<MoveTools, "turns">, run: MoveRun): InTurn {
  return (batch) => (tools.turns === undefined || run.move.phase === "SWITCHING" ? batch() : tools.turns.run(run.move.tenantId, run.signal, batch));
}

export async function reach(tools: Pick<MoveTools, "at">, point: string): Promise<void> {
  await tools.at?.(point);
}
