import "reflect-metadata";
import { Field, ID, InputType, ObjectType } from "type-graphql";
import { dateTime, safeInt } from "../scalars.js";

@InputType("RerateUsageInput", { description: "Which model calls to price anew." })
export class RerateUsageInput {
  @Field(() => dateTime, { description: "The first moment that counts." })
  from!: Date;

  @Field(() => dateTime, { description: "The first moment that no longer counts." })
  to!: Date;

  @Field(() => ID, { nullable: true, description: "All tenants when left out." })
  tenantId?: string;

  @Field(() => Boolean, { nullable: true, description: "Counts what would be corrected and writes nothing." })
  dryRun?: boolean;

  @Field(() => String, { nullable: true, description: "`next` of the call before." })
  after?: string;
}

@ObjectType("RerateUsagePayload", { simpleResolvers: true, description: "What pricing model calls anew has come to." })
export class RerateUsagePayloadType {
  @Field(() => safeInt, { description: "Calls that were looked at." })
  calls!: number;

  @Field(() => safeInt, { description: "Calls with another price now. Each has one correcting row more; no row was edited." })
  corrected!: number;

  @Field(() => safeInt, { description: "The sum of the corrections in micro-dollars; below zero when calls were too dear." })
  differenceMicroUsd!: number;

  @Field(() => String, { description: "The same amount for people, such as -$12.345678." })
  difference!: string;

  @Field(() => String, { nullable: true, description: "Given when a request was too short for all: call again with it as `after`." })
  next?: string;
}
