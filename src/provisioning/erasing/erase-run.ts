import type { TenantId } from "../../kernel/ids.js";
import type { LeasedCache } from "../../kernel/leased-cache.js";
import type { ControlPlane } from "../../storage/control/control-plane.js";
import type { ErasureChange, ErasurePhase, ErasureRow } from "../../storage/control/erasure-rows.js";
import type { TenantHome } from "../../storage/home.js";
import type { SiloProvider } from "../../storage/silo-provider.js";
import type { EmbeddingModelRef, TenantStore } from "../../storage/tenant-store.js";
import type { TenantContext } from "../../tenancy/tenant-context.js";
import type { CachedTenantDirectory } from "../../tenancy/tenant-directory.js";
import type { TierPolicies } from "../../tenancy/tier-policy.js";

/** Deletes the tenant's counters of requests and tokens; gives how many there were. */
export interface CounterForgetting {
  forget(tenantId: TenantId): Promise<number>;
}

/** Removes what a fine-tuning provider holds of the adapters in this store; gives how many. Throws `SERVICE_UNAVAILABLE`. */
export interface AdapterRelease {
  release(context: TenantContext, store: TenantStore, signal: AbortSignal): Promise<number>;
}

export interface EraseTools {
  readonly control: ControlPlane;
  readonly directory: CachedTenantDirectory;
  readonly homes: LeasedCache<TenantHome>;
  readonly policies: TierPolicies;
  readonly silos: SiloProvider;
  readonly counters: CounterForgetting;
  readonly adapters: AdapterRelease;
  /** What the pool's vector index holds, to ask it for what is left. */
  readonly embedding: EmbeddingModelRef;
  /** Until every server has seen that the tenant is not served, in ms. */
  readonly stoppedAfterMs: number;
  /** How long an open move may take to end. */
  readonly moveEndMsMax: number;
  /** Told that a move is to be ended, so that a mover looks at once. */
  readonly onMoveRequested: () => void;
}

export interface EraseRun {
  /** As of the last `record`. */
  readonly erasure: ErasureRow;
  /** Names this run to the fences; a later run of the same erasure has another. */
  readonly token: string;
  /** Extends the lease and persists progress. Throws `CONFLICT` once the lease is lost. */
  record(change: ErasureChange): Promise<void>;
  /** Fires when the lease is lost or the server stops. */
  readonly signal: AbortSignal;
}

export type EraseStep = (tools: EraseTools, run: EraseRun) => Promise<ErasurePhase>;
