import "reflect-metadata";
import { Field, InputType, Int, ObjectType } from "type-graphql";
import { budgetPeriodEnum } from "./budget-period.enum.js";
import { dateTime, safeInt } from "../scalars.js";

@ObjectType("BudgetPeriodQuota", { simpleResolvers: true, description: "The budget of one day or month in UTC. What calls that run now may still cost is taken off." })
export class BudgetPeriodType {
  @Field(() => safeInt, { description: "The tenant's own budget or its tier's, whichever is lower, in micro-dollars." })
  limitMicroUsd!: number;

  @Field(() => String, { description: "The same amount for people, such as $5.000000." })
  limit!: string;

  @Field(() => safeInt, { description: "Spent in the period, in micro-dollars." })
  spentMicroUsd!: number;

  @Field(() => String, { description: "The same amount for people." })
  spent!: string;

  @Field(() => safeInt, { description: "Held by running calls, in micro-dollars. What a call does not use is given back when it ends." })
  reservedMicroUsd!: number;

  @Field(() => String, { description: "The same amount for people." })
  reserved!: string;

  @Field(() => safeInt, { description: "What is left, in micro-dollars." })
  remainingMicroUsd!: number;

  @Field(() => String, { description: "The same amount for people." })
  remaining!: string;

  @Field(() => dateTime, { description: "When the next period begins." })
  resetsAt!: Date;
}

@ObjectType("BudgetWarning", { simpleResolvers: true, description: "A threshold of a budget that was passed in the present period." })
export class BudgetWarningType {
  @Field(() => budgetPeriodEnum, { description: "Whose budget." })
  period!: keyof typeof budgetPeriodEnum;

  @Field(() => Int, { description: "50, 80 or 100 percent of the budget." })
  percent!: number;
}

@ObjectType("BudgetQuota", { simpleResolvers: true, description: "Money that the tenant may spend on models." })
export class BudgetQuotaType {
  @Field(() => BudgetPeriodType, { nullable: true, description: "Null when no budget of the day is set." })
  day?: BudgetPeriodType;

  @Field(() => BudgetPeriodType, { nullable: true, description: "Null when no budget of the month is set." })
  month?: BudgetPeriodType;

  @Field(() => [BudgetWarningType], { description: "Thresholds that were passed, lowest first." })
  warnings!: readonly BudgetWarningType[];
}

@InputType("SetBudgetInput", { description: "The tenant's own budget, within its tier's." })
export class SetBudgetInput {
  @Field(() => safeInt, { nullable: true, description: "Of a day in UTC, in micro-dollars. Null or left out: the tier's." })
  day?: number | null;

  @Field(() => safeInt, { nullable: true, description: "Of a month in UTC, in micro-dollars. Null or left out: the tier's." })
  month?: number | null;
}
