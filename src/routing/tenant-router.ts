/**
 * From a tenant context to the tenant's open store. Before it: the context, made once. After it: a
 * store bound to that tenant, in the pool or in its silo. The router never falls back: a silo that
 * cannot be reached is an error, not a reason to look into the pool.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Deadline } from "../kernel/deadline.js";
import { serviceUnavailable, unauthenticated, tenantSuspended } from "../kernel/errors.js";
import type { LeasedCache } from "../kernel/leased-cache.js";
import { FenceRefused } from "../storage/fence.js";
import type { TenantHome } from "../storage/home.js";
import type { TenantStore } from "../storage/tenant-store.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import type { CachedTenantDirectory } from "../tenancy/tenant-directory.js";
import { readHome, type Placement, type TenantRecord } from "../tenancy/tenant-record.js";
import { homeKey } from "./home-key.js";

/**
 * A read that took longer than this asks the directory again before its result counts. A mover keeps
 * the old home for `directoryAgeMsMax` plus this after a switch, so no read can see it emptied.
 */
export const readTrustMsMax = 2_000;

/** Pause between looks at the directory while a tenant moves: well under a person's patience, far over a lookup's cost. */
const movingPollMs = 20;

export class TenantRouter {
  constructor(
    private readonly directory: CachedTenantDirectory,
    private readonly homes: LeasedCache<TenantHome>,
  ) {}

  /** Runs reads on the tenant's present home. Runs them again if the tenant has moved meanwhile. */
  async read<T>(context: TenantContext, deadline: Deadline, work: (store: TenantStore) => Promise<T>): Promise<T> {
    for (;;) {
      deadline.throwIfOver();
      const startedAt = performance.now();
      const { placement } = await this.#record(context);
      try {
        const result = await this.#onHome(context, placement, work);
        if (performance.now() - startedAt <= readTrustMsMax || !(await this.#hasMoved(context, placement))) return result;
      } catch (error) {
        // The old home may have been dropped under a slow read: only then is the failure the move's and not the read's.
        if (!(await this.#hasMoved(context, placement))) throw error;
      }
    }
  }

  /**
   * Runs a write. While the tenant moves it waits; after a switch it runs on the new home. A write
   * whose fence refused it has had no effect, so `work` may run more than once and lands once.
   * Throws `SERVICE_UNAVAILABLE` when the move outlasts the deadline.
   */
  async write<T>(context: TenantContext, deadline: Deadline, work: (store: TenantStore) => Promise<T>): Promise<T> {
    let record = await this.#record(context);
    for (;;) {
      if (record.placement.kind === "SETTLED") {
        try {
          return await this.#onHome(context, record.placement, work);
        } catch (error) {
          if (!(error instanceof FenceRefused)) throw error;
        }
      }
      if (deadline.remainingMs() <= movingPollMs || !(await waited(movingPollMs, deadline))) {
        throw serviceUnavailable("The tenant's data is being moved and cannot be written yet");
      }
      record = await this.#fresh(context);
    }
  }

  async #onHome<T>(context: TenantContext, placement: Placement, work: (store: TenantStore) => Promise<T>): Promise<T> {
    const lease = await this.homes.lease(homeKey(readHome(placement)));
    try {
      return await work(lease.value.store(context, placement.epoch));
    } finally {
      lease.release();
    }
  }

  async #hasMoved(context: TenantContext, before: Placement): Promise<boolean> {
    const { placement } = await this.#fresh(context);
    return placement.epoch !== before.epoch;
  }

  async #record(context: TenantContext): Promise<TenantRecord> {
    return checked(await this.directory.find(context.tenantId), context);
  }

  async #fresh(context: TenantContext): Promise<TenantRecord> {
    return checked(await this.directory.findFresh(context.tenantId), context);
  }
}

/** False when the request ended meanwhile: a cut sleep rejects with an error of Node's own, which would reach the caller as `INTERNAL`. */
function waited(ms: number, { signal }: Deadline): Promise<boolean> {
  return sleep(ms, true, { signal }).catch(() => false);
}

/** A tenant that was removed or suspended while its request ran gets nothing more. */
function checked(record: TenantRecord | undefined, context: TenantContext): TenantRecord {
  if (record === undefined || record.id !== context.tenantId) throw unauthenticated("The token's tenant is not known here");
  if (record.state === "SUSPENDED") throw tenantSuspended();
  return record;
}
