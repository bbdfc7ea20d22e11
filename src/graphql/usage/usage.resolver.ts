import "reflect-metadata";
import { Arg, Ctx, Query, Resolver } from "type-graphql";
import type { UsageTotals } from "../../usage/usage-report.js";
import { formatMicroUsd } from "../money.js";
import { asTenant, type RequestContext } from "../request-context.js";
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
}

function priced(total: UsageTotals): UsageTotalType {
  return { ...total, cost: formatMicroUsd(total.costMicroUsd) };
}
