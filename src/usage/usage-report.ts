import { systemClock, type Clock } from "../kernel/clock.js";
import type { Deadline } from "../kernel/deadline.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import { addUsage, noUsage, type TenantLedger, type UsageGroup, type UsageGrouping, type UsageTotals } from "../storage/control/usage-rows.js";
import { usageRange, type UsageRange } from "./usage-range.js";
import type { UserPseudonyms } from "./user-pseudonyms.js";

export interface UsageReportInput extends UsageRange {
  /** Default: `MODEL`. */
  readonly groupBy?: UsageGrouping;
}

export interface UsageReport {
  readonly from: Date;
  readonly to: Date;
  readonly groupBy: UsageGrouping;
  readonly groups: readonly UsageGroup[];
  readonly totals: UsageTotals;
}

/** Sums the ledger over a time: all of the tenant for an admin, one's own for a member. */
export class UsageReporter {
  constructor(
    private readonly ledgerOf: (context: TenantContext) => TenantLedger,
    private readonly pseudonyms: UserPseudonyms,
    private readonly clock: Clock = systemClock,
  ) {}

  /** Throws `BAD_USER_INPUT` for a range that is none, and the deadline's reason when the ledger takes longer. */
  async run(context: TenantContext, deadline: Deadline, input: UsageReportInput): Promise<UsageReport> {
    const { from, to } = usageRange(input, this.clock);
    const groupBy = input.groupBy ?? "MODEL";
    deadline.throwIfOver();
    const groups = await this.#groups(context, { from, to, groupBy });
    deadline.throwIfOver();
    return { from, to, groupBy, groups, totals: groups.reduce<UsageTotals>(addUsage, noUsage) };
  }

  async #groups(context: TenantContext, { from, to, groupBy }: { from: Date; to: Date; groupBy: UsageGrouping }): Promise<readonly UsageGroup[]> {
    const ledger = this.ledgerOf(context);
    return context.roles.includes("admin") ? ledger.report(from, to, groupBy) : ledger.report(from, to, groupBy, await this.pseudonyms.inLedger(context));
  }
}
