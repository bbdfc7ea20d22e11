import "reflect-metadata";
import { Field, Float, ID, ObjectType } from "type-graphql";
import type { MovePhase } from "../../storage/control/control-plane.js";
import type { HomeKind, Tier } from "../../tenancy/tier-policy.js";
import { homeEnum, movePhaseEnum, tierEnum } from "../enums.js";
import { dateTime, safeInt } from "../scalars.js";

@ObjectType("PlacementMove", { simpleResolvers: true, description: "A tenant's move between pool and silo. For operators." })
export class PlacementMoveType {
  @Field(() => ID, { description: "Opaque." })
  id!: string;

  @Field(() => ID, { description: "The tenant that moves." })
  tenantId!: string;

  @Field(() => homeEnum, { description: "The old home." })
  from!: HomeKind;

  @Field(() => homeEnum, { description: "The new home." })
  to!: HomeKind;

  @Field(() => tierEnum, { description: "The tier before." })
  fromTier!: Tier;

  @Field(() => tierEnum, { description: "The tier after." })
  toTier!: Tier;

  @Field(() => movePhaseEnum, { description: "How far it has come." })
  phase!: MovePhase;

  @Field(() => safeInt, { description: "Rows copied so far." })
  copied!: number;

  @Field(() => safeInt, { description: "Rows to copy; 0 until they are counted." })
  total!: number;

  @Field(() => Float, { nullable: true, description: "Rows copied a second, over the whole move; null before the first row." })
  rowsPerSecond?: number | null;

  @Field(() => String, { nullable: true, description: "Why it was given up; null unless it was." })
  failure?: string;

  @Field(() => dateTime, { description: "When it began." })
  startedAt!: Date;

  @Field(() => dateTime, { nullable: true, description: "When the new home took over." })
  switchedAt?: Date;

  @Field(() => dateTime, { nullable: true, description: "When it was over, done or given up." })
  finishedAt?: Date;
}

@ObjectType("PlacementMoveEvent", { simpleResolvers: true, description: "A step of a move." })
export class PlacementMoveEventType {
  @Field(() => PlacementMoveType, { description: "The move as it is now." })
  placementMove!: PlacementMoveType;
}
