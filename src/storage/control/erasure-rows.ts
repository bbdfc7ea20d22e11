/** The rows of an erasure: a job that any server can take up, and the receipt that stays when it is over. */
import type { TenantId } from "../../kernel/ids.js";
import type { Home } from "../../tenancy/tenant-record.js";

/** Steps of an erasure in order; see `provisioning/README.md`. */
export type ErasurePhase = "STOPPING" | "ENDING_MOVE" | "CLOSING" | "REMOVING" | "FORGETTING" | "VERIFYING" | "ENDED";
/** `PARTIAL`: something could not be reached. Asking again tries the rest. */
export type ErasureStatus = "IN_PROGRESS" | "COMPLETE" | "PARTIAL";

export interface RemovedPart { readonly store: string; readonly what: string; readonly count: number }
export interface KeptPart { readonly what: string; readonly why: string }
export interface UnreachablePart { readonly store: string; readonly reason: string }

export interface ErasureRow {
  readonly tenantId: TenantId;
  readonly phase: ErasurePhase;
  readonly status: ErasureStatus;
  /** Every home the tenant has ever had or was on its way to. */
  readonly homes: readonly Home[];
  /** Keys of homes that are empty. Never opened again: to open a silo that was dropped would make it anew. */
  readonly emptied: readonly string[];
  /** What was there when its writers were shut out. Becomes `removed` when it is, also by a run that died before it could say so. */
  readonly found: readonly RemovedPart[];
  readonly removed: readonly RemovedPart[];
  readonly kept: readonly KeptPart[];
  readonly unreachable: readonly UnreachablePart[];
  /** Times that `VERIFYING` found something and sent the job back. */
  readonly rounds: number;
  readonly startedAt: Date;
  /** When nothing was found any more. */
  readonly verifiedAt?: Date;
  readonly finishedAt?: Date;
  readonly leaseOwner?: string;
  readonly leaseUntil?: Date;
}

export type ErasureChange = Partial<Pick<ErasureRow, "phase" | "status" | "homes" | "emptied" | "found" | "removed" | "kept" | "unreachable" | "rounds" | "verifiedAt" | "finishedAt">>;

export interface ErasureStore {
  /** Begins the erasure, or takes a `PARTIAL` one up again from its first step. Under way or complete: gives it as it is. */
  begin(tenantId: TenantId): Promise<ErasureRow>;
  find(tenantId: TenantId): Promise<ErasureRow | undefined>;
  /** Takes an unfinished erasure that nobody holds, or whose lease has passed. */
  lease(owner: string, forMs: number): Promise<ErasureRow | undefined>;
  /** Extends the lease and records progress. Throws `CONFLICT` when the lease was lost: the caller must stop at once. */
  record(tenantId: TenantId, owner: string, change: ErasureChange, leaseForMs: number): Promise<ErasureRow>;
  release(tenantId: TenantId, owner: string): Promise<void>;
}

/** What the control plane keeps about a tenant besides its directory row, its secrets and its erasure. */
export interface TenantTraces {
  /** Homes that moves of the tenant came from or went to. */
  homesOf(tenantId: TenantId): Promise<readonly Home[]>;
  /** Removes the rows of moves that have ended; gives their number. */
  removeMoves(tenantId: TenantId): Promise<number>;
  countMoves(tenantId: TenantId): Promise<number>;
  /** Removes where its requests spent their time, and how long it held up others; gives the number of rows. */
  removeTimings(tenantId: TenantId): Promise<number>;
  countTimings(tenantId: TenantId): Promise<number>;
  countLedgerRows(tenantId: TenantId): Promise<number>;
}
