import type { Deadline } from "../kernel/deadline.js";
import type { TenantId } from "../kernel/ids.js";
import { untilAborted } from "../metering/until-aborted.js";
import { FreshReads } from "../quotas/fresh-reads.js";
import type { TenantRouter } from "../routing/tenant-router.js";
import type { TenantContext } from "../tenancy/tenant-context.js";

/** How long a tenant that had passages is taken to have some. If it has none by now, a question is embedded for nothing. */
const presentForMs = 60_000;
const rememberedMax = 20_000;

/**
 * Whether there is anything to search. A tenant that uses the model alone, without documents, then
 * pays for no embedding and waits for no search. That there is nothing is never remembered: a
 * document may have become ready a moment ago on another server, and its owner asks about it.
 */
export class PassagePresence {
  readonly #presentUntil = new Map<TenantId, number>();
  readonly #reads = new FreshReads<boolean>();

  constructor(private readonly router: Pick<TenantRouter, "read">) {}

  /** False as well when that cannot be found out: the search then tells what is wrong. Rejects with the deadline's reason. */
  async isEmpty(context: TenantContext, deadline: Deadline): Promise<boolean> {
    const { tenantId } = context;
    if ((this.#presentUntil.get(tenantId) ?? 0) > performance.now()) return false;
    // Questions that come together share a read, which begins after the last of them has come. Another's deadline may end it.
    const read = this.#reads.run(tenantId, () => this.router.read(context, deadline, async (store) => (await store.chunks.statistics()).chunks === 0));
    const isEmpty = await untilAborted(read.catch(() => false), deadline.signal);
    if (!isEmpty) this.#remember(tenantId);
    return isEmpty;
  }

  #remember(tenantId: TenantId): void {
    if (this.#presentUntil.size >= rememberedMax) this.#presentUntil.clear();
    this.#presentUntil.set(tenantId, performance.now() + presentForMs);
  }
}
