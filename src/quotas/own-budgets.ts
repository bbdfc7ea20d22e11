import type { TenantId } from "../kernel/ids.js";
import type { SpendingStore } from "../storage/control/spending-rows.js";

/** How long another server may go on without a budget that was just set, where several servers run. */
const ageMsMax = 2_000;
const rememberedMax = 20_000;

/**
 * Which tenants have set themselves a budget. A tenant that has none, in a tier that has none, then
 * pays one read in two seconds on a shared store, and one in the life of the process on its own.
 */
export class OwnBudgets {
  readonly #known = new Map<TenantId, { readonly has: Promise<boolean>; readonly at: number }>();

  constructor(private readonly store: SpendingStore) {}

  /** Throws `SERVICE_UNAVAILABLE`. */
  has(tenantId: TenantId): Promise<boolean> {
    const known = this.#known.get(tenantId);
    if (known !== undefined && (!this.store.shared || performance.now() - known.at < ageMsMax)) return known.has;
    if (this.#known.size >= rememberedMax) this.#known.clear();
    const entry = { has: this.#read(tenantId), at: performance.now() };
    this.#known.set(tenantId, entry);
    // A failure is told to whoever waits for it and not remembered.
    entry.has.catch(() => {
      if (this.#known.get(tenantId) === entry) this.#known.delete(tenantId);
    });
    return entry.has;
  }

  forget(tenantId: TenantId): void {
    this.#known.delete(tenantId);
  }

  async #read(tenantId: TenantId): Promise<boolean> {
    const budget = (await this.store.find(tenantId))?.budget;
    return budget?.day !== undefined || budget?.month !== undefined;
  }
}
