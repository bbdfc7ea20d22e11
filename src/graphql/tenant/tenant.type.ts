import "reflect-metadata";
import { Field, ID, InputType, Int, ObjectType } from "type-graphql";
import type { TenantState } from "../../tenancy/tenant-record.js";
import type { HomeKind, Tier } from "../../tenancy/tier-policy.js";
import { connectionType } from "../connection.js";
import type { SiloIsolation } from "../../storage/silo-provider.js";
import { homeEnum, placementEnum, siloCredentialEnum, tenantStateEnum, tierEnum } from "../enums.js";
import { ErasureReceiptType } from "../erasure/erasure.type.js";
import { PlacementMoveType } from "../placement-move/placement-move.type.js";
import { dateTime } from "../scalars.js";

@ObjectType("TenantIsolation", { simpleResolvers: true, description: "What stands between a silo and everyone else. Text in a silo is sealed with the tenant's key; vectors, titles and tags are not." })
export class TenantIsolationType {
  @Field(() => siloCredentialEnum, { description: "Whether the silo has a database user of its own." })
  credential!: SiloIsolation["credential"];

  @Field(() => Int, { description: "Version of the tenant's key that new rows are sealed with. Grows by one with each rotation." })
  keyVersion!: number;

  @Field(() => String, { nullable: true, description: "The cluster of `SILO_CLUSTER_URIS` that the silo is on; null for the main deployment." })
  cluster?: string;
}

@ObjectType("Tenant", { simpleResolvers: true, description: "A tenant as the directory has it. For operators; holds none of the tenant's content." })
export class TenantType {
  @Field(() => ID, { description: "The tenant's name in tokens and logs." })
  id!: string;

  @Field(() => String, { description: "The tenant's name for people." })
  name!: string;

  @Field(() => tierEnum, { description: "What the tenant has bought." })
  tier!: Tier;

  @Field(() => tenantStateEnum, { description: "Whether the tenant's callers are served." })
  state!: TenantState;

  @Field(() => placementEnum, { description: "Where the tenant's data is now." })
  placement!: keyof typeof placementEnum;

  @Field(() => homeEnum, { nullable: true, description: "An operator's word against the tier's placement; null when the tier decides. A move that was cancelled or reverted leaves one, which ends with the next `changeTier`." })
  placementOverride?: HomeKind;

  @Field(() => Int, { description: "Grows by one with every change of home." })
  placementEpoch!: number;

  @Field(() => TenantIsolationType, { nullable: true, description: "How its silo is kept apart; null in the pool, where tenants share database, credential and indexes, and text is not sealed." })
  isolation?: TenantIsolationType;

  @Field(() => ErasureReceiptType, { nullable: true, description: "The receipt of its erasure; null unless it was begun." })
  erasure?: ErasureReceiptType;

  @Field(() => PlacementMoveType, { nullable: true, description: "The move under way, or else the last one; null for a tenant that has never moved." })
  latestMove?: PlacementMoveType;

  @Field(() => dateTime, { description: "When the tenant was created." })
  createdAt!: Date;
}

export const TenantConnectionType = connectionType("Tenant", () => TenantType);

@InputType("TenantFilter", { description: "Narrows a list of tenants. Conditions given together must all hold." })
export class TenantFilterInput {
  @Field(() => [tierEnum], { nullable: true, description: "Tenants of any of these tiers." })
  tiers?: Tier[];

  @Field(() => [tenantStateEnum], { nullable: true, description: "Tenants in any of these states." })
  states?: TenantState[];
}

@InputType("CreateTenantInput", { description: "A tenant to add." })
export class CreateTenantInput {
  @Field(() => ID, { description: "3 to 26 lower-case letters, digits or inner hyphens. It names the tenant's database and cannot be changed." })
  id!: string;

  @Field(() => String, { description: "A name for people of 1 to 256 characters." })
  name!: string;

  @Field(() => tierEnum, { description: "What the tenant has bought." })
  tier!: Tier;

  @Field(() => homeEnum, { nullable: true, description: "A word against the tier's placement." })
  placement?: HomeKind;

  @Field(() => String, { nullable: true, description: "The cluster of `SILO_CLUSTER_URIS` that its silo goes to; left out, the one with the fewest silos. Only for a tenant at home in a silo." })
  cluster?: string;
}

@InputType("TenantInput", { description: "Which tenant." })
export class TenantInput {
  @Field(() => ID, { description: "The tenant's id." })
  tenantId!: string;
}

@InputType("ChangeTierInput", { description: "Which tenant goes to which tier." })
export class ChangeTierInput {
  @Field(() => ID, { description: "The tenant's id." })
  tenantId!: string;

  @Field(() => tierEnum, { description: "The new tier. The same one again starts a move that failed, was cancelled or was reverted." })
  tier!: Tier;

  @Field(() => String, { nullable: true, description: "The cluster of `SILO_CLUSTER_URIS` that a new silo goes to; left out, the one with the fewest silos." })
  cluster?: string;
}

@ObjectType("RotateTenantKeyPayload", { simpleResolvers: true, description: "How far a rotation of a tenant's key has come." })
export class RotateTenantKeyPayloadType {
  @Field(() => TenantType, { description: "The tenant." })
  tenant!: TenantType;

  @Field(() => Boolean, { description: "Whether every row is sealed with the new key and the old one destroyed. If not, it goes on; the same mutation again waits for its end." })
  finished!: boolean;

  @Field(() => Int, { nullable: true, description: "The new key's version; null until it is finished." })
  keyVersion?: number;

  @Field(() => Int, { nullable: true, description: "Rows that were sealed anew; null until it is finished." })
  rowsResealed?: number;
}

@ObjectType("TenantPayload", { simpleResolvers: true, description: "The tenant after the change." })
export class TenantPayloadType {
  @Field(() => TenantType, { description: "The tenant." })
  tenant!: TenantType;
}

@ObjectType("ChangeTierPayload", { simpleResolvers: true, description: "The tenant after the change, and the move it set off." })
export class ChangeTierPayloadType {
  @Field(() => TenantType, { description: "The tenant. Its new limits hold at once." })
  tenant!: TenantType;

  @Field(() => PlacementMoveType, { nullable: true, description: "The move to the new tier's home, or the one that is called back; null when the tenant is there already." })
  placementMove?: PlacementMoveType;
}
