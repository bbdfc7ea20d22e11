/**
 * The control plane: what is about tenants and not a tenant's content. One database, never moved.
 * Only `tenancy/`-made contexts, operators and background work reach it, through these ports.
 */
import type { MoveId, TenantId } from "../../kernel/ids.js";
import type { Page, PageRequest } from "../../kernel/page.js";
import type { TenantDirectory } from "../../tenancy/tenant-directory.js";
import type { TenantRecord, Home } from "../../tenancy/tenant-record.js";
import type { TenantContext } from "../../tenancy/tenant-context.js";
import type { HomeKind, Tier } from "../../tenancy/tier-policy.js";
import type { ErasureStore, TenantTraces } from "./erasure-rows.js";
import type { IsolationReportStore } from "./isolation-report-rows.js";
import type { PoolShareStore } from "./pool-share-rows.js";
import type { SpendingStore } from "./spending-rows.js";
import type { TimingStore } from "./timing-rows.js";
import type { TenantLedger, UsageByHour, UsageCorrections, UsageListing, UsageRollups } from "./usage-rows.js";

export type { TenantLedger, UsageGroup, UsageGrouping, UsageKind, UsageRow } from "./usage-rows.js";

export interface DirectoryStore extends TenantDirectory {
  /** Throws `CONFLICT` when the id is taken. Starts `ACTIVE`, at home in the pool, epoch 1. */
  create(tenant: { id: TenantId; name: string; tier: Tier; placementOverride?: HomeKind }): Promise<TenantRecord>;
  page(request: PageRequest, filter: { tiers?: readonly Tier[]; states?: readonly string[]; without?: readonly string[] }): Promise<Page<TenantRecord>>;
  /** Compare-and-set on `version`. Throws `CONFLICT` when someone else changed the record meanwhile, `NOT_FOUND` when it is gone. */
  update(record: TenantRecord, change: DirectoryChange): Promise<TenantRecord>;
}

export type DirectoryChange = Partial<Pick<TenantRecord, "name" | "tier" | "state" | "placement">> & {
  /** Null: the tier decides again. */
  readonly override?: { readonly home: HomeKind; readonly endsWithTier: boolean } | null;
};

/** Steps of a placement move in order, then its ends; see `provisioning/README.md`. */
export type MovePhase = "PREPARING" | "COPYING" | "FOLLOWING" | "VERIFYING" | "SWITCHING" | "OBSERVING" | "RETIRING" | "CANCELLING" | MoveEnd;
/** `DONE` at the new home; `FAILED`, `CANCELLED` and `REVERTED` at the old one. */
export type MoveEnd = "DONE" | "FAILED" | "CANCELLED" | "REVERTED";

/** How far a follower has read each stripe of the source's fence. */
export type Watermarks = readonly { readonly stripe: string; readonly seq: number }[];

export interface PlacementMoveRow {
  readonly id: MoveId;
  readonly tenantId: TenantId;
  readonly from: Home;
  readonly to: Home;
  /** The epoch that ends the move, at the new home or, cancelled or reverted, at the old one. */
  readonly targetEpoch: number;
  readonly fromTier: Tier;
  readonly toTier: Tier;
  readonly phase: MovePhase;
  /** Rows written to the target so far, and rows of the source when copying began. */
  readonly copied: number;
  readonly total: number;
  /** Everything of the source up to here is in the target, once `copiedTo` has come to its end. */
  readonly watermarks?: Watermarks;
  /** The last row that was copied, in the order of collections and of `_id`. */
  readonly copiedTo?: { readonly collection: string; readonly id: string };
  /** On the way back from `to` to `from`, after a switch that was called back. */
  readonly reverting: boolean;
  readonly cancelRequested: boolean;
  readonly revertRequested: boolean;
  /** Ends `OBSERVING` at once. */
  readonly retireRequested: boolean;
  /** The longest time that writes of the tenant waited for this move, in ms. */
  readonly pauseMs?: number;
  readonly failure?: string;
  readonly startedAt: Date;
  /** When copying began, for a rate. */
  readonly copyStartedAt?: Date;
  readonly switchedAt?: Date;
  readonly finishedAt?: Date;
  /** Who drives it, until when: another server takes over when this has passed. */
  readonly leaseOwner?: string;
  readonly leaseUntil?: Date;
}

export type MoveRequest = "CANCEL" | "REVERT" | "RETIRE";
export type MoveChange = Partial<Pick<PlacementMoveRow, "phase" | "copied" | "total" | "watermarks" | "copiedTo" | "reverting" | "targetEpoch" | "pauseMs" | "failure" | "copyStartedAt" | "switchedAt" | "finishedAt">> & {
  /** The switch is being made: from here on no cancellation is taken. A change of phase takes it back. */
  readonly switching?: boolean;
};

export interface MoveStore {
  /** Throws `CONFLICT` while another move of the tenant is unfinished (a unique partial index, not a check). */
  begin(move: Pick<PlacementMoveRow, "id" | "tenantId" | "from" | "to" | "targetEpoch" | "fromTier" | "toTier">): Promise<PlacementMoveRow>;
  find(id: MoveId): Promise<PlacementMoveRow | undefined>;
  latestOf(tenantId: TenantId): Promise<PlacementMoveRow | undefined>;
  /** Takes an unfinished move that nobody else holds, or whose lease has passed; `except` names those this owner drives already. */
  lease(owner: string, forMs: number, id?: MoveId, except?: readonly MoveId[]): Promise<PlacementMoveRow | undefined>;
  /** Extends the lease and records progress. Throws `CONFLICT` when the lease was lost: the caller must stop at once. */
  record(id: MoveId, owner: string, change: MoveChange, leaseForMs: number): Promise<PlacementMoveRow>;
  /** As `record`, but only while `request` was not made. Undefined when it was. */
  recordUnless(id: MoveId, owner: string, request: MoveRequest, change: MoveChange, leaseForMs: number): Promise<PlacementMoveRow | undefined>;
  release(id: MoveId, owner: string): Promise<void>;
  /** Tells whoever drives the move. Repeating it changes nothing. Throws `NOT_FOUND`, or `CONFLICT` when it comes too early or too late. */
  request(id: MoveId, request: MoveRequest): Promise<PlacementMoveRow>;
}

/** A tenant's secret in all its live versions, oldest first. */
export interface TenantSecret {
  readonly versions: readonly { readonly version: number; readonly key: Buffer }[];
}

/** Whose secret: a tenant's, or the deployment's own. No tenant id begins with an underscore. */
export type SecretOwner = TenantId | "_platform";

/**
 * Random 32-byte secrets, stored wrapped by the master key. Destroying one makes what it sealed
 * unreadable for good, in backups too.
 */
export interface KeyVault {
  /** The secret, made when there is none. */
  ensure(owner: SecretOwner, name: string): Promise<TenantSecret>;
  find(owner: SecretOwner, name: string): Promise<TenantSecret | undefined>;
  /** Adds a version, the newest from now on; the others still open what they sealed. */
  rotate(owner: SecretOwner, name: string): Promise<TenantSecret>;
  /** Destroys the versions before `version`. */
  retireBefore(owner: SecretOwner, name: string, version: number): Promise<void>;
  /** False when there was none. */
  destroy(owner: SecretOwner, name: string): Promise<boolean>;
  /** Names of the owner's secrets. */
  names(owner: SecretOwner): Promise<readonly string[]>;
}

/** Things that are done once in the life of a deployment, such as onboarding a demo tenant. */
export interface MarkerStore {
  has(name: string): Promise<boolean>;
  set(name: string): Promise<void>;
}

/** What rate-limiter-flexible needs of the driver; opaque to everyone else. */
export interface LimiterStore { readonly client: unknown; readonly database: string }

export interface ControlPlane {
  readonly directory: DirectoryStore;
  readonly moves: MoveStore;
  readonly markers: MarkerStore;
  readonly vault: KeyVault;
  readonly erasures: ErasureStore;
  /** What the control plane itself keeps about a tenant, for its erasure. */
  readonly traces: TenantTraces;
  ledgerOf(context: TenantContext): TenantLedger;
  usageRowsOf(context: TenantContext): UsageListing;
  readonly usageByHour: UsageByHour;
  readonly rollups: UsageRollups;
  readonly corrections: UsageCorrections;
  readonly spending: SpendingStore;
  readonly poolShares: PoolShareStore;
  readonly timings: TimingStore;
  readonly isolationReports: IsolationReportStore;
  readonly limiterStore: LimiterStore;
  /** Resolves when the deployment answers within `timeoutMs`; rejects with `SERVICE_UNAVAILABLE`. */
  ping(timeoutMs: number): Promise<void>;
}
