import "reflect-metadata";
import { Field, ID, ObjectType } from "type-graphql";
import type { ErasurePhase, ErasureStatus } from "../../storage/control/erasure-rows.js";
import { erasurePhaseEnum, erasureStatusEnum } from "../enums.js";
import { dateTime, safeInt } from "../scalars.js";

@ObjectType("ErasedPart", { simpleResolvers: true, description: "Something that was removed." })
export class ErasedPartType {
  @Field(() => String, { description: "Where it was." })
  store!: string;

  @Field(() => String, { description: "What it was." })
  what!: string;

  @Field(() => safeInt, { description: "How much of it." })
  count!: number;
}

@ObjectType("KeptPart", { simpleResolvers: true, description: "Something that an erasure does not take away." })
export class KeptPartType {
  @Field(() => String, { description: "What is kept." })
  what!: string;

  @Field(() => String, { description: "Why." })
  why!: string;
}

@ObjectType("UnreachablePart", { simpleResolvers: true, description: "A store of which it is not known that the tenant is gone from it." })
export class UnreachablePartType {
  @Field(() => String, { description: "Which store." })
  store!: string;

  @Field(() => String, { description: "What stood in the way." })
  reason!: string;
}

@ObjectType("ErasureReceipt", { simpleResolvers: true, description: "What an erasure removed where, what is kept and why, and what could not be reached. Holds counts and no content. For operators." })
export class ErasureReceiptType {
  @Field(() => ID, { description: "The tenant. Its id is never given to another." })
  tenantId!: string;

  @Field(() => erasureStatusEnum, { description: "How it stands." })
  status!: ErasureStatus;

  @Field(() => erasurePhaseEnum, { description: "How far it has come." })
  phase!: ErasurePhase;

  @Field(() => [ErasedPartType], { description: "What was removed, over all tries." })
  removed!: ErasedPartType[];

  @Field(() => [KeptPartType], { description: "What is kept; empty until everything else was searched again." })
  kept!: KeptPartType[];

  @Field(() => [UnreachablePartType], { description: "What stands in the way of `COMPLETE`." })
  unreachable!: UnreachablePartType[];

  @Field(() => dateTime, { description: "When it was first asked for." })
  startedAt!: Date;

  @Field(() => dateTime, { nullable: true, description: "When every store that could be reached was searched again, and nothing was found." })
  verifiedAt?: Date;

  @Field(() => dateTime, { nullable: true, description: "When its last try ended; null while one is under way." })
  finishedAt?: Date;
}
