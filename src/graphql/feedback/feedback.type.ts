import "reflect-metadata";
import { Field, ID, InputType, ObjectType } from "type-graphql";
import type { Rating } from "../../storage/adapter-rows.js";
import { ratingEnum } from "../enums.js";

@InputType("FeedbackInput", { description: "What the caller thinks of an answer in one of their own conversations. Said again, it takes the place of what was said before." })
export class FeedbackInput {
  @Field(() => ID, { description: "The id of a `Message` of the caller." })
  messageId!: string;

  @Field(() => ratingEnum, { description: "Good, or not." })
  rating!: Rating;

  @Field(() => String, { nullable: true, description: "How a bad answer should have been: 1 to 8,000 characters." })
  correction?: string | null;
}

@ObjectType("FeedbackPayload", { simpleResolvers: true, description: "What was noted. It is kept with the conversation, goes with it, and may teach the tenant's own adapters." })
export class FeedbackPayloadType {
  @Field(() => ID, { description: "The message." })
  messageId!: string;

  @Field(() => ratingEnum, { description: "What is noted of it now." })
  rating!: Rating;
}
