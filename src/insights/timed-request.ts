import type { StageTimes } from "../kernel/stage-clock.js";
import type { TenantId } from "../kernel/ids.js";
import type { Tier } from "../tenancy/tier-policy.js";

/** Whom a request was served for. Of a caller who was not let in, nothing is kept. */
export type Served = { readonly kind: "TENANT"; readonly tenantId: TenantId; readonly tier: Tier } | { readonly kind: "OPERATOR" };

export interface TimedRequest {
  readonly served?: Served;
  readonly times: StageTimes;
  /** From its first byte to its end, as whoever told it saw them. */
  readonly wallMs: number;
}

/** Whose slots they were. Beside the classes of work: those of tenants that are not named apart, those that other servers had, and none, when the provider's rates alone made calls wait. */
export const holderWorks = ["INTERACTIVE", "INGEST", "AUDIT", "MOVE", "OTHERS", "ELSEWHERE", "RATES"] as const;
export type HolderWork = (typeof holderWorks)[number];

/** A part of the time that a call waited, or ran beside others. */
export interface Holder {
  /** Given for the classes of work. */
  readonly tenantId?: TenantId;
  readonly work: HolderWork;
  readonly ms: number;
}

/** The stages of a question that depend on what others do at the same time. */
export type SharedStage = "queue_wait" | "embed";

/** Told of every request when it has ended, and of what held it up. Never throws and never waits. */
export interface RequestTimings {
  ended(request: TimedRequest): void;
  /** A limit of the tenant, or a line that was full, turned work away. */
  refused(tenantId: TenantId): void;
  /** Who held the slots while a question of the tenant was in this stage. */
  heldUp(tenantId: TenantId, stage: SharedStage, holders: readonly Holder[]): void;
}

export const untimed: RequestTimings = Object.freeze({ ended() {}, refused() {}, heldUp() {} });
