import "reflect-metadata";
import { Field, ID, InputType, ObjectType } from "type-graphql";
import { connectionType } from "../connection.js";
import { dateTime } from "../scalars.js";

@ObjectType("Message", { simpleResolvers: true, description: "One turn of a conversation." })
export class MessageType {
  @Field(() => ID, { description: "Opaque." })
  id!: string;

  @Field(() => String, { description: "What the user asked." })
  question!: string;

  @Field(() => String, { description: "What was answered." })
  answer!: string;

  @Field(() => dateTime, { description: "When it was answered." })
  createdAt!: Date;

  @Field(() => ConversationType, { description: "The conversation it stands in." })
  conversation!: ConversationType;
}

@ObjectType("Conversation", { simpleResolvers: true, description: "A conversation of the caller. Nobody else of the tenant sees it." })
export class ConversationType {
  @Field(() => ID, { description: "Opaque." })
  id!: string;

  @Field(() => String, { description: "The title it was started with." })
  title!: string;

  @Field(() => dateTime, { description: "When it was started." })
  createdAt!: Date;

  @Field(() => dateTime, { description: "When its last turn was added." })
  updatedAt!: Date;
}

export const MessageConnectionType = connectionType("Message", () => MessageType);
export const ConversationConnectionType = connectionType("Conversation", () => ConversationType);

@InputType("StartConversationInput", { description: "How to begin a conversation." })
export class StartConversationInput {
  @Field(() => String, { nullable: true, description: "A title of at most 256 characters; \"New conversation\" when left out." })
  title?: string;
}

@InputType("ClearConversationInput", { description: "Which conversation to remove." })
export class ClearConversationInput {
  @Field(() => ID, { description: "The conversation's id." })
  conversationId!: string;
}

@ObjectType("StartConversationPayload", { simpleResolvers: true, description: "The conversation that was started." })
export class StartConversationPayloadType {
  @Field(() => ConversationType, { description: "Give its id to `ask` as `conversationId`." })
  conversation!: ConversationType;
}

@ObjectType("ClearConversationPayload", { simpleResolvers: true, description: "What was removed." })
export class ClearConversationPayloadType {
  @Field(() => ID, { description: "The id of the conversation that is gone, with all its turns." })
  conversationId!: string;
}
