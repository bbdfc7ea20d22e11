import "reflect-metadata";
import { Field, ID, ObjectType } from "type-graphql";
import type { TenantRole } from "../../tenancy/verified-caller.js";
import type { Tier } from "../../tenancy/tier-policy.js";
import { placementEnum, roleEnum, tierEnum } from "../enums.js";

@ObjectType("ViewerTenant", { simpleResolvers: true, description: "The caller's own tenant." })
export class ViewerTenantType {
  @Field(() => ID, { description: "The tenant's name in tokens and logs." })
  id!: string;

  @Field(() => String, { description: "The tenant's name for people." })
  name!: string;
}

@ObjectType("Viewer", { simpleResolvers: true, description: "Who is asking, as the verified token and the tenant directory say." })
export class ViewerType {
  @Field(() => ID, { description: "The token's `sub`." })
  user!: string;

  @Field(() => ViewerTenantType, { description: "The tenant that everything in this request is about." })
  tenant!: ViewerTenantType;

  @Field(() => tierEnum, { description: "The tier in the tenant directory. A token's own claim of a tier counts for nothing." })
  tier!: Tier;

  @Field(() => placementEnum, { description: "Where the tenant's data is now." })
  placement!: keyof typeof placementEnum;

  @Field(() => [roleEnum], { description: "What the caller may do." })
  roles!: readonly TenantRole[];
}
