import "reflect-metadata";
import { Arg, Ctx, Query, Resolver } from "type-graphql";
import { badUserInput } from "../../kernel/errors.js";
import type { UsageGroup } from "../../storage/control/control-plane.js";
import { formatMicroUsd } from "../money.js";
import { asTenant, type RequestContext } from "../request-context.js";
import { UsageInput, UsageReportType, UsageTotalType } from "./usage.type.js";

/** A leap year: a report reads every ledger row of its span. */
const spanMsMax = 366 * 24 * 60 * 60 * 1_000;

@Resolver()
export class UsageResolver {
  @Query(() => UsageReportType, { nullable: true, description: "What was spent on models. An admin sees the whole tenant's usage, a member their own." })
  async usage(@Arg("input", () => UsageInput, { nullable: true }) input: UsageInput | undefined, @Ctx() context: RequestContext): Promise<UsageReportType> {
    const { services, tenant, deadline } = asTenant(context);
    const range = { ...parseSpan(input, new Date()), groupBy: input?.groupBy ?? ("MODEL" as const) };
    const groups = await services.usage.report(tenant, deadline, range);
    const dearestFirst = groups.toSorted((a, b) => b.costMicroUsd - a.costMicroUsd || a.key.localeCompare(b.key));
    return { ...range, groups: dearestFirst.map((group) => ({ key: group.key, total: sum([group]) })), total: sum(groups) };
  }
}

function parseSpan(input: UsageInput | undefined, now: Date): { from: Date; to: Date } {
  const to = input?.to ?? now;
  const from = input?.from ?? new Date(Date.UTC(to.getUTCFullYear(), to.getUTCMonth(), 1));
  if (from >= to) throw badUserInput("from", from.toISOString(), `a moment before ${to.toISOString()}`);
  if (to.getTime() - from.getTime() > spanMsMax) throw badUserInput("from", from.toISOString(), "a span of at most 366 days");
  return { from, to };
}

function sum(groups: readonly UsageGroup[]): UsageTotalType {
  const total = { calls: 0, promptTokens: 0, completionTokens: 0, costMicroUsd: 0 };
  for (const group of groups) {
    total.calls += group.calls;
    total.promptTokens += group.promptTokens;
    total.completionTokens += group.completionTokens;
    total.costMicroUsd += group.costMicroUsd;
  }
  return { ...total, cost: formatMicroUsd(total.costMicroUsd) };
}
