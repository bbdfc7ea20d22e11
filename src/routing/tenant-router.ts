/**
 * From a tenant context to the tenant's open store. Before it: the context, made once. After it: a
 * store bound to that tenant, in the pool or in its silo. The router never falls back: a silo that
 * cannot be reached is an error, not a reason to look into the pool.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Deadline } from "../kernel/deadline.js";
import { serviceUnavailable } from "../kernel/errors.js";
import type { LeasedCache } from "../kernel/leased-cache.js";
import { FenceRefused } from "../storage/fence.js";
import type { TenantHome } from "../storage/home.js";
import type { TenantStore } from "../storage/tenant-store.js";
import { servedTenant } from "../tenancy/served-tenant.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import type { CachedTenantDirectory } from "../tenancy/tenant-directory.js";
import { readHome, type Home, type Placement, type TenantRecord } from "../tenancy/tenant-record.js";
import { homeKey } from "./home-key.js";

/**
 * A read that took longer than this asks the directory again before its result counts. A mover keeps
 * the old home for `directoryAgeMsMax` plus this after a switch, so no read can see it emptied.
 */
export const readTrustMsMax = 2_000;

/** Between two looks at the directory while a tenant is switched: that takes some tens of milliseconds, a lookup under one. */
const switchPollMs = 4;
/** After that long without a switch a write is tried at the old home again. */
const switchLookMs = 100;

/** How long a home that was connected to is taken to be so still. */
const warmForMs = 60_000;
const warmAgainMs = 1_000;

export class TenantRouter {
  readonly #warmed = new Set<string>();
  readonly #switches = new Map<string, Promise<void>>();

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
   * Runs a write on the tenant's present home, also while the tenant moves. In the moment of a switch
   * it waits, and then runs on the new home. A write whose fence refused it has had no effect, so
   * `work` may run more than once and lands once. Throws `SERVICE_UNAVAILABLE` when the switch
   * outlasts the deadline.
   */
  async write<T>(context: TenantContext, deadline: Deadline, work: (store: TenantStore) => Promise<T>): Promise<T> {
    let { placement } = await this.#record(context);
    for (;;) {
      try {
        return await this.#onHome(context, placement, work);
      } catch (error) {
        if (!(error instanceof FenceRefused)) throw error;
      }
      // The first look is at once: most often it was this server's view that was old.
      const { epoch } = placement;
      ({ placement } = await this.#fresh(context));
      if (placement.epoch !== epoch) continue;
      if (!(await within(deadline, this.#switched(context, placement)))) throw serviceUnavailable("The tenant's data is being moved and cannot be written yet");
      ({ placement } = await this.#record(context));
    }
  }

  /**
   * Resolves when the directory names another epoch, or after a while for another try: the mover may
   * have given the switch up. All writes of the tenant that wait on this server look together, since
   * what they ask of the database now is in the way of the switch they wait for.
   */
  #switched(context: TenantContext, before: Placement): Promise<void> {
    const key = `${before.epoch} ${context.tenantId}`;
    const known = this.#switches.get(key);
    if (known !== undefined) return known;
    const looking = this.#look(context, before).finally(() => this.#switches.delete(key));
    this.#switches.set(key, looking);
    return looking;
  }

  async #look(context: TenantContext, before: Placement): Promise<void> {
    const endsAt = performance.now() + switchLookMs;
    do await sleep(switchPollMs);
    while (!(await this.#hasMoved(context, before)) && performance.now() < endsAt);
  }

  async #onHome<T>(context: TenantContext, placement: Placement, work: (store: TenantStore) => Promise<T>): Promise<T> {
    if (placement.kind === "MOVING") this.#warm(placement.to);
    const lease = await this.homes.lease(homeKey(readHome(placement)));
    try {
      return await work(lease.value.store(context, placement.epoch));
    } finally {
      lease.release();
    }
  }

  /** Connects to a home that is about to be the tenant's: doing so in the moment of the switch would be felt. */
  #warm(home: Home): void {
    const key = homeKey(home);
    if (this.#warmed.has(key)) return;
    this.#warmed.add(key);
    const forgetIn = (ms: number): void => void setTimeout(() => this.#warmed.delete(key), ms).unref();
    this.homes.lease(key).then(
      (lease) => {
        lease.release();
        forgetIn(warmForMs);
      },
      // A silo is announced before it is made.
      () => forgetIn(warmAgainMs),
    );
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

/** False when the request ended first. */
function within({ signal }: Deadline, work: Promise<void>): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(false);
  return new Promise((resolve, reject) => {
    const end = (): void => resolve(false);
    signal.addEventListener("abort", end, { once: true });
    work.then(() => resolve(true), reject).finally(() => signal.removeEventListener("abort", end));
  });
}

/** A tenant that was erased or suspended while its request ran gets nothing more. */
function checked(record: TenantRecord | undefined, context: TenantContext): TenantRecord {
  return servedTenant(record, context.tenantId);
}
