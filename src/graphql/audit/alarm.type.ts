import "reflect-metadata";
import { Field, ObjectType } from "type-graphql";
import { dateTime } from "../scalars.js";

@ObjectType("AlarmField", { simpleResolvers: true, description: "A fact about an alarm." })
export class AlarmFieldType {
  @Field(() => String, { description: "Its name." })
  name!: string;

  @Field(() => String, { description: "As text; secrets and texts of users are withheld." })
  value!: string;
}

@ObjectType("Alarm", { simpleResolvers: true, description: "Something that must wake a person. Kept in the memory of the server that raised it, and in its log." })
export class AlarmType {
  @Field(() => String, { description: "Its kind, such as `tenant_mismatch`. README tells what to do." })
  name!: string;

  @Field(() => dateTime, { description: "When it was raised." })
  at!: Date;

  @Field(() => [AlarmFieldType], { description: "What was known then." })
  fields!: AlarmFieldType[];
}
