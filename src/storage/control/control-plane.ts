/**
 * The control plane: what is about tenants and not a tenant's content. One database, never moved.
 * Only `tenancy/`-made contexts, operators and background work reach it, through these ports.
 */
import type { MoveId, RequestId, TenantId } from "../../kernel/ids.js";
import type { Page, PageRequest } from "../../kernel/page.js";
import type { TenantDirectory } from "../../tenancy/tenant-directory.js";
import type { TenantRecord, Home } from "../../tenancy/tenant-record.js";
import type { TenantContext } from "../../tenancy/tenant-context.js";
import type { HomeKind, Tier } from "../../tenancy/tier-policy.js";

export interface DirectoryStore extends TenantDirectory {
  /** Throws `CONFLICT` when the id is taken. Starts `ACTIVE`, at home in the pool, epoch 1. */
  create(tenant: { id: TenantId; name: string; tier: Tier; placementOverride?: HomeKind }): Promise<TenantRecord>;
  page(request: PageRequest, filter: { tiers?: readonly Tier[]; states?: readonly string[] }): Promise<Page<TenantRecord>>;
  /** Compare-and-set on `version`. Throws `CONFLICT` when someone else changed the record meanwhile, `NOT_FOUND` when it is gone. */
  update(record: TenantRecord, change: Partial<Pick<TenantRecord, "name" | "tier" | "state" | "placement">>): Promise<TenantRecord>;
}

/** Steps of a placement move in order; see `provisioning/README.md`. */
export type MovePhase = "PREPARING" | "PAUSING" | "COPYING" | "VERIFYING" | "SWITCHING" | "RETIRING" | "CANCELLING" | "DONE" | "FAILED";

export interface PlacementMoveRow {
  readonly id: MoveId;
  readonly tenantId: TenantId;
  readonly from: Home;
  readonly to: Home;
  /** The epoch that ends the move, at the new home or, cancelled, at the old one. */
  readonly targetEpoch: number;
  readonly fromTier: Tier;
  readonly toTier: Tier;
  readonly phase: MovePhase;
  readonly copied: number;
  readonly total: number;
  readonly failure?: string;
  readonly startedAt: Date;
  readonly switchedAt?: Date;
  readonly finishedAt?: Date;
  /** Who drives it, until when: another server takes over when this has passed. */
  readonly leaseOwner?: string;
  readonly leaseUntil?: Date;
}

export interface MoveStore {
  /** Throws `CONFLICT` while another move of the tenant is unfinished (a unique partial index, not a check). */
  begin(move: Pick<PlacementMoveRow, "id" | "tenantId" | "from" | "to" | "targetEpoch" | "fromTier" | "toTier">): Promise<PlacementMoveRow>;
  find(id: MoveId): Promise<PlacementMoveRow | undefined>;
  latestOf(tenantId: TenantId): Promise<PlacementMoveRow | undefined>;
  /** Takes an unfinished move that nobody holds, or whose lease has passed. */
  lease(owner: string, forMs: number, id?: MoveId): Promise<PlacementMoveRow | undefined>;
  /** Extends the lease and records progress. Throws `CONFLICT` when the lease was lost: the caller must stop at once. */
  record(id: MoveId, owner: string, change: Partial<Pick<PlacementMoveRow, "phase" | "copied" | "total" | "failure" | "switchedAt" | "finishedAt">>, leaseForMs: number): Promise<PlacementMoveRow>;
  release(id: MoveId, owner: string): Promise<void>;
}

export type UsageKind = "COMPLETION" | "EMBEDDING";

/** One row a model call, append-only. Money in integer micro-dollars. */
export interface UsageRow {
  readonly id: string;
  /** Keyed hash of the user: erasing the tenant's key makes it nobody's. */
  readonly userPseudonym: string;
  readonly requestId: RequestId;
  /** The GraphQL response path of the field that spent, such as `ask` or `first.ask`. */
  readonly path: string;
  /** Distinguishes several calls of one field, from 0. */
  readonly callNumber: number;
  readonly kind: UsageKind;
  readonly operation: string;
  readonly model: string;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly priceVersion: string;
  readonly costMicroUsd: number;
  readonly outcome: "OK" | "FAILED" | "ABORTED";
  readonly at: Date;
}

export type UsageGrouping = "MODEL" | "USER" | "OPERATION" | "DAY";
export interface UsageGroup { readonly key: string; readonly calls: number; readonly promptTokens: number; readonly completionTokens: number; readonly costMicroUsd: number }

/** A tenant's own rows of the ledger. Made by `ControlPlane.ledgerOf` from a context, so it cannot name another tenant. */
export interface TenantLedger {
  /** Durable when resolved. A row with the same request, path and call number is counted once. */
  append(row: Omit<UsageRow, "id">): Promise<void>;
  /** Sums over `from <= at < to`, of one user where a pseudonym is given. */
  report(from: Date, to: Date, groupBy: UsageGrouping, userPseudonym?: string): Promise<readonly UsageGroup[]>;
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
  ledgerOf(context: TenantContext): TenantLedger;
  readonly limiterStore: LimiterStore;
  /** Resolves when the deployment answers within `timeoutMs`; rejects with `SERVICE_UNAVAILABLE`. */
  ping(timeoutMs: number): Promise<void>;
}
