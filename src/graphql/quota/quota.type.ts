import "reflect-metadata";
import { Field, ObjectType } from "type-graphql";
import { dateTime, safeInt } from "../scalars.js";

@ObjectType("RequestQuota", { simpleResolvers: true, description: "Requests of the present minute. Every root field counts as one, aliases too." })
export class RequestQuotaType {
  @Field(() => safeInt, { description: "Requests that the tier allows a minute." })
  limit!: number;

  @Field(() => safeInt, { description: "Requests left in this minute." })
  remaining!: number;

  @Field(() => dateTime, { description: "When the count starts again." })
  resetsAt!: Date;
}

@ObjectType("TokenQuota", { simpleResolvers: true, description: "Model tokens of the present minute." })
export class TokenQuotaType {
  @Field(() => safeInt, { description: "Tokens that the tier allows a minute." })
  limit!: number;

  @Field(() => safeInt, { description: "Tokens left in this minute, reservations of running calls taken off." })
  remaining!: number;

  @Field(() => safeInt, { description: "Tokens held by running calls. What a call does not use is given back when it ends." })
  reserved!: number;

  @Field(() => dateTime, { description: "When the count starts again." })
  resetsAt!: Date;
}

@ObjectType("Quota", { simpleResolvers: true, description: "What the tenant may still spend now." })
export class QuotaType {
  @Field(() => RequestQuotaType, { description: "Requests a minute." })
  requests!: RequestQuotaType;

  @Field(() => TokenQuotaType, { description: "Model tokens a minute." })
  tokens!: TokenQuotaType;
}

@ObjectType("SetBudgetPayload", { simpleResolvers: true, description: "The quota with the new budget." })
export class SetBudgetPayload {
  @Field(() => QuotaType, { description: "What the tenant may still spend now." })
  quota!: QuotaType;
}
