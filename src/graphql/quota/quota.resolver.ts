import "reflect-metadata";
import { Ctx, Query, Resolver } from "type-graphql";
import { asTenant, type RequestContext } from "../request-context.js";
import { QuotaType } from "./quota.type.js";

@Resolver()
export class QuotaResolver {
  @Query(() => QuotaType, { nullable: true, description: "The tenant's limits, what is left of them, and when they reset." })
  quota(@Ctx() context: RequestContext): Promise<QuotaType> {
    const { services, tenant } = asTenant(context);
    return services.quotas.view(tenant);
  }
}
