import type { Deadline } from "../kernel/deadline.js";
import { newId, type RequestId } from "../kernel/ids.js";
import type { Telemetry } from "../kernel/telemetry.js";
import type { TenantStore } from "../storage/tenant-store.js";
import { openJobContext, type TenantContext } from "../tenancy/tenant-context.js";
import type { TenantRecord } from "../tenancy/tenant-record.js";
import type { TierPolicies } from "../tenancy/tier-policy.js";

/** An expired conversation is not there for anybody already, so its rows may wait for the next round. */
const roundMsDefault = 10 * 60_000;
/** Conversations between two looks at whether to stop. */
const batchConversations = 20;

export interface SweeperParts {
  /** All tenants that are served, a page at a time. */
  readonly tenants: () => AsyncIterable<TenantRecord>;
  readonly router: { write<T>(context: TenantContext, deadline: Deadline, work: (store: TenantStore) => Promise<T>): Promise<T> };
  readonly policies: TierPolicies;
  readonly deadline: () => Deadline;
  readonly telemetry: Telemetry;
}

/** Removes the rows of conversations that their tier does not keep any longer, tenant by tenant, in small batches. */
export class ConversationSweeper {
  #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> | undefined;
  #isClosed = false;

  constructor(private readonly parts: SweeperParts, private readonly roundMs = roundMsDefault) {}

  start(): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => {
      this.#round = this.round().then(() => this.start());
    }, this.roundMs).unref();
  }

  /** Never rejects: one home that cannot be reached must not keep the others' conversations. */
  async round(): Promise<void> {
    const { tenants, policies, telemetry } = this.parts;
    try {
      for await (const record of tenants()) {
        if (this.#isClosed) return;
        if (policies[record.tier].conversationDays !== undefined) await this.#sweep(record);
      }
    } catch (error) {
      telemetry.log("warn", "Tenants could not be listed to sweep their conversations", { error: String(error) });
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#round;
  }

  async #sweep(record: TenantRecord): Promise<void> {
    const { policies, router, telemetry } = this.parts;
    try {
      const context = openJobContext(record, policies, newId<RequestId>("request"));
      for (let removed = batchConversations; removed === batchConversations && !this.#isClosed; ) {
        const deadline = this.parts.deadline();
        removed = await router.write(context, deadline, (store) => store.sweepConversations(batchConversations)).finally(() => deadline.dispose());
        telemetry.count("conversations_expired_total", {}, removed);
      }
    } catch (error) {
      telemetry.log("warn", "Expired conversations of a tenant could not be removed", { tenantId: record.id, error: String(error) });
    }
  }
}
