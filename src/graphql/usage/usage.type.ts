import "reflect-metadata";
import { Field, InputType, ObjectType } from "type-graphql";
import type { UsageGrouping } from "../../storage/control/control-plane.js";
import { usageGroupingEnum } from "../enums.js";
import { dateTime, safeInt } from "../scalars.js";

@InputType("UsageInput", { description: "Which usage to sum, and by what." })
export class UsageInput {
  @Field(() => dateTime, { nullable: true, description: "The first moment that counts; the start of this month in UTC when left out." })
  from?: Date;

  @Field(() => dateTime, { nullable: true, description: "The first moment that no longer counts; now when left out." })
  to?: Date;

  @Field(() => usageGroupingEnum, { nullable: true, description: "`MODEL` when left out." })
  groupBy?: UsageGrouping;
}

@ObjectType("UsageTotal", { simpleResolvers: true, description: "A sum over model calls." })
export class UsageTotalType {
  @Field(() => safeInt, { description: "Number of model calls." })
  calls!: number;

  @Field(() => safeInt, { description: "Tokens sent to models." })
  promptTokens!: number;

  @Field(() => safeInt, { description: "Tokens that models wrote." })
  completionTokens!: number;

  @Field(() => safeInt, { description: "The part of `promptTokens` that providers had cached and billed at another price." })
  cachedPromptTokens!: number;

  @Field(() => safeInt, { description: "The part of `completionTokens` that models thought and did not say." })
  reasoningTokens!: number;

  @Field(() => safeInt, { description: "In micro-dollars: millionths of a US dollar." })
  costMicroUsd!: number;

  @Field(() => String, { description: "The same amount for people, such as $12.345678." })
  cost!: string;
}

@ObjectType("UsageGroup", { simpleResolvers: true, description: "The calls of one model, user, operation or day." })
export class UsageGroupType {
  @Field(() => String, { description: "The model's name, the user's pseudonym, the operation's name, or the day as YYYY-MM-DD." })
  key!: string;

  @Field(() => UsageTotalType, { description: "The group's sum." })
  total!: UsageTotalType;
}

@ObjectType("UsageReport", { simpleResolvers: true, description: "Usage over a span of time. An admin sees the whole tenant's, a member their own." })
export class UsageReportType {
  @Field(() => dateTime, { description: "The first moment that counts." })
  from!: Date;

  @Field(() => dateTime, { description: "The first moment that no longer counts." })
  to!: Date;

  @Field(() => usageGroupingEnum, { description: "What it is summed by." })
  groupBy!: UsageGrouping;

  @Field(() => [UsageGroupType], { description: "The groups, dearest first." })
  groups!: readonly UsageGroupType[];

  @Field(() => UsageTotalType, { description: "The sum of all groups." })
  total!: UsageTotalType;
}
