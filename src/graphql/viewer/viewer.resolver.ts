import "reflect-metadata";
import { Ctx, Query, Resolver } from "type-graphql";
import { placementName } from "../../tenancy/tenant-record.js";
import { asTenant, type RequestContext } from "../request-context.js";
import { ViewerType } from "./viewer.type.js";

@Resolver()
export class ViewerResolver {
  @Query(() => ViewerType, { nullable: true, description: "Who is asking: user, roles, tenant, tier and placement." })
  viewer(@Ctx() context: RequestContext): ViewerType {
    const { tenant } = asTenant(context);
    const { record } = tenant;
    return {
      user: tenant.userId,
      tenant: { id: record.id, name: record.name },
      tier: record.tier,
      placement: placementName(record.placement),
      roles: tenant.roles,
    };
  }
}
