import "reflect-metadata";
import { Field, Float, ID, InputType, ObjectType } from "type-graphql";
import type { MovePhase } from "../../storage/control/control-plane.js";
import type { HomeKind, Tier } from "../../tenancy/tier-policy.js";
import { homeEnum, movePhaseEnum, tierEnum } from "../enums.js";
import { dateTime, safeInt } from "../scalars.js";

@InputType("PlacementMoveInput", { description: "Which move." })
export class PlacementMoveInput {
  @Field(() => ID, { description: "The move's id." })
  id!: string;
}

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

  @Field(() => Boolean, { description: "On the way back to the old home, after a switch that was called back." })
  reverting!: boolean;

  @Field(() => safeInt, { description: "Rows copied so far, with those that were written meanwhile." })
  copied!: number;

  @Field(() => safeInt, { description: "Rows to copy when copying began; 0 until they are counted." })
  total!: number;

  @Field(() => Float, { nullable: true, description: "Rows copied a second since copying began; null before the first row." })
  rowsPerSecond?: number | null;

  @Field(() => Float, { nullable: true, description: "Seconds until the rest is copied at this rate; null when nothing is being copied." })
  estimatedSecondsLeft?: number | null;

  @Field(() => Float, { nullable: true, description: "The longest that writes of the tenant have waited for this move, in milliseconds; null before the switch." })
  writePauseMs?: number | null;

  @Field(() => String, { nullable: true, description: "Why it was given up; null unless it was." })
  failure?: string;

  @Field(() => dateTime, { description: "When it began." })
  startedAt!: Date;

  @Field(() => dateTime, { nullable: true, description: "When the new home took over." })
  switchedAt?: Date;

  @Field(() => dateTime, { nullable: true, description: "When it was over, however it ended." })
  finishedAt?: Date;
}

@ObjectType("PlacementMovePayload", { simpleResolvers: true, description: "The move, which now ends otherwise." })
export class PlacementMovePayloadType {
  @Field(() => PlacementMoveType, { description: "The move as it is now. Follow it to its end, `CANCELLED` or `REVERTED`." })
  placementMove!: PlacementMoveType;
}

@ObjectType("PlacementMoveEvent", { simpleResolvers: true, description: "A step of a move." })
export class PlacementMoveEventType {
  @Field(() => PlacementMoveType, { description: "The move as it is now." })
  placementMove!: PlacementMoveType;
}
