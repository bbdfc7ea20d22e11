import { serviceUnavailable } from "../kernel/errors.js";
import type { TenantId } from "../kernel/ids.js";
import { SingleFlight } from "../kernel/single-flight.js";
import type { TenantLedger } from "../storage/control/usage-rows.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import { tenantCounter } from "./minute-windows.js";
import type { SlidingWindow } from "./sliding-window.js";
import { withinTimeout } from "./within-timeout.js";

/** Tokens that the ledger has of a tenant's calls since then. */
export type SpentSince = (context: TenantContext, from: Date) => Promise<number>;

/** What has ended by now; calls that run bring their own tokens when they do. */
export async function tokensSince(ledger: TenantLedger, from: Date): Promise<number> {
  // Another server's clock may be ahead of this one's.
  const models = await ledger.report(from, new Date(Date.now() + 60_000), "MODEL");
  return models.reduce((sum, { promptTokens, completionTokens }) => sum + promptTokens + completionTokens, 0);
}

/** A ledger that falls silent must not hold all of a tenant's calls. */
const ledgerMsMaxDefault = 3_000;

/** Tenants that are known to be counted; past it all are looked up again. */
const knownMax = 20_000;

/**
 * Counters are forgotten when their store starts anew: with this process, or with Redis. The ledger is
 * not, and wins: before a tenant's first take after that, what it has spent in the last minute is
 * counted again. Two servers may both do so; then the tenant has too little for a minute, never too much.
 */
export class LostCounters {
  readonly #known = new Map<TenantId, number>();
  readonly #looks = new SingleFlight<void>();

  constructor(
    private readonly spentSince: SpentSince,
    private readonly window: Pick<SlidingWindow, "view" | "charge">,
    private readonly ledgerMsMax = ledgerMsMaxDefault,
  ) {}

  /** `generation` of the store, which rises when it may have lost its counters. */
  isCounted({ tenantId }: TenantContext, generation: number): boolean {
    return this.#known.get(tenantId) === generation;
  }

  /** All who come meanwhile wait. Throws `SERVICE_UNAVAILABLE`, `CounterStoreFailed`. */
  count(context: TenantContext, generation: number, now: number): Promise<void> {
    return this.#looks.run(`${generation} ${context.tenantId}`, async () => {
      const name = tenantCounter("tokens", context.tenantId);
      const [spent, { used }] = await Promise.all([this.#spent(context, now), this.window.view(name)]);
      if (spent > used) await this.window.charge(name, spent - used);
      if (this.#known.size >= knownMax) this.#known.clear();
      this.#known.set(context.tenantId, generation);
    });
  }

  async #spent(context: TenantContext, now: number): Promise<number> {
    try {
      return await withinTimeout(this.spentSince(context, new Date(now - 60_000)), this.ledgerMsMax);
    } catch (error) {
      throw serviceUnavailable("What was spent in the last minute cannot be read now, so nothing is spent", 1_000, error);
    }
  }
}
