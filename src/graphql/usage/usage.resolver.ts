import "reflect-metadata";
import { Arg, Ctx, Mutation, Query, Resolver } from "type-graphql";
import type { UsageTotals } from "../../storage/control/usage-rows.js";
import { formatMicroUsd } from "../money.js";
import { asTenant, type RequestContext } from "../request-context.js";
import { UsageExportType } from "./usage-export.type.js";
import { UsageInput, UsageReportType, UsageTotalType } from "./usage.type.js";

@Resolver()
export class UsageResolver {
  @Query(() => UsageReportType, { nullable: true, description: "What was spent on models. An admin sees the whole tenant's usage, a member their own." })
  async usage(@Arg("input", () => UsageInput, { nullable: true }) input: UsageInput | undefined, @Ctx() context: RequestContext): Promise<UsageReportType> {
    const { services, tenant, deadline } = asTenant(context);
    const { groups, totals, ...range } = await services.usage.run(tenant, deadline, input ?? {});
    const dearestFirst = groups.toSorted((a, b) => b.costMicroUsd - a.costMicroUsd || a.key.localeCompare(b.key));
    return { ...range, groups: dearestFirst.map(({ key, ...total }) => ({ key, total: priced(total) })), total: priced(totals) };
  }

  @Mutation(() => UsageExportType, { nullable: true, description: "Rows of the usage ledger as CSV, at most 50,000, oldest first. `groupBy` says nothing here." })
  exportUsage(@Arg("input", () => UsageInput) { from, to }: UsageInput, @Ctx() context: RequestContext): Promise<UsageExportType> {
    const { services, tenant, deadline } = asTenant(context);
    return services.usageExports.run(tenant, deadline, { ...(from ? { from } : {}), ...(to ? { to } : {}) });
  }
}

function priced(total: UsageTotals): UsageTotalType {
  return { ...total, cost: formatMicroUsd(total.costMicroUsd) };
}
