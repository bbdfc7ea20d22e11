import type { MoveId, TenantId } from "../kernel/ids.js";
import type { HomeKind, Tier } from "./tier-policy.js";

/** A database of one tenant's own. `cluster` names an entry of `SILO_CLUSTER_URIS`; the main deployment when left out. */
export interface SiloHome {
  readonly kind: "SILO";
  readonly database: string;
  readonly cluster?: string;
}

/** A database that holds a tenant's rows: the shared pool, or one of the tenant's own. */
export type Home = { readonly kind: "POOL" } | SiloHome;

/**
 * Where the tenant lives now. `epoch` grows by one with every switch of home; a write carries the
 * epoch it believes in and the fence in the tenant's database refuses any other. While `MOVING`,
 * the old home serves reads and takes writes until the moment of the switch.
 */
export type Placement =
  | { readonly kind: "SETTLED"; readonly home: Home; readonly epoch: number }
  | { readonly kind: "MOVING"; readonly from: Home; readonly to: Home; readonly epoch: number; readonly moveId: MoveId };

/**
 * `SUSPENDED` is not served and keeps everything. `ERASING` is not served any more and loses
 * everything; `ERASED` stays behind, so that the id is never given to someone else.
 */
export type TenantState = "ACTIVE" | "SUSPENDED" | "ERASING" | "ERASED";

/** A row of the tenant directory, the authority on tier, state and placement. */
export interface TenantRecord {
  readonly id: TenantId;
  readonly name: string;
  readonly tier: Tier;
  readonly state: TenantState;
  readonly placement: Placement;
  /** An operator's word against the tier policy's placement. */
  readonly placementOverride?: HomeKind;
  /** The word was spoken by cancelling or reverting a move: it holds until the tier is next changed, the same tier included. */
  readonly overrideEndsWithTier?: boolean;
  readonly createdAt: Date;
  /** Compare-and-set counter: a writer that read an older version fails with `CONFLICT`. */
  readonly version: number;
}

/** Not served any more, and never again. */
export function isErased({ state }: Pick<TenantRecord, "state">): boolean {
  return state === "ERASING" || state === "ERASED";
}

/** The home that reads are served from. */
export function readHome(placement: Placement): Home {
  return placement.kind === "SETTLED" ? placement.home : placement.from;
}

/** As the GraphQL schema names it. */
export function placementName(placement: Placement): "POOL" | "MOVING" | "SILO" {
  return placement.kind === "MOVING" ? "MOVING" : placement.home.kind;
}
