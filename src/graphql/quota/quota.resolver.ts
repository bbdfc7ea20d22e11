import "reflect-metadata";
import { Arg, Ctx, FieldResolver, Mutation, Query, Resolver } from "type-graphql";
import type { BudgetView, PeriodView } from "../../quotas/budgets.js";
import { formatMicroUsd } from "../money.js";
import { asTenant, type RequestContext } from "../request-context.js";
import { BudgetQuotaType, SetBudgetInput, type BudgetPeriodType } from "./budget.type.js";
import { QuotaType, SetBudgetPayload } from "./quota.type.js";

@Resolver(() => QuotaType)
export class QuotaResolver {
  @Query(() => QuotaType, { nullable: true, description: "The tenant's limits, what is left of them, and when they reset." })
  quota(@Ctx() context: RequestContext): Promise<QuotaType> {
    const { services, tenant } = asTenant(context);
    return services.quotas.view(tenant);
  }

  @FieldResolver(() => BudgetQuotaType, { nullable: true, description: "Money for models. Null when neither the tier nor the tenant sets a budget." })
  async budget(@Ctx() context: RequestContext): Promise<BudgetQuotaType | undefined> {
    const { services, tenant } = asTenant(context);
    const view = await services.budgets.view(tenant);
    return view === undefined ? undefined : budgetOf(view);
  }

  @Mutation(() => SetBudgetPayload, { nullable: true, description: "Sets the tenant's own budget for models. It holds on every server within 2 s." })
  async setBudget(@Arg("input", () => SetBudgetInput) { day, month }: SetBudgetInput, @Ctx() context: RequestContext): Promise<SetBudgetPayload> {
    const { services, tenant } = asTenant(context);
    await services.budgets.set(tenant, { ...(day === undefined || day === null ? {} : { day }), ...(month === undefined || month === null ? {} : { month }) });
    return { quota: await services.quotas.view(tenant) };
  }
}

function budgetOf({ day, month, warnings }: BudgetView): BudgetQuotaType {
  return { ...(day === undefined ? {} : { day: withTwins(day) }), ...(month === undefined ? {} : { month: withTwins(month) }), warnings };
}

function withTwins(view: PeriodView): BudgetPeriodType {
  return { ...view, limit: formatMicroUsd(view.limitMicroUsd), spent: formatMicroUsd(view.spentMicroUsd), reserved: formatMicroUsd(view.reservedMicroUsd), remaining: formatMicroUsd(view.remainingMicroUsd) };
}
