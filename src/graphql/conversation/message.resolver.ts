import "reflect-metadata";
import { Ctx, FieldResolver, Resolver, Root } from "type-graphql";
import { notFound } from "../../kernel/errors.js";
import type { ConversationRow, MessageRow } from "../../storage/tenant-store.js";
import { asTenant, type RequestContext } from "../request-context.js";
import { ConversationType, MessageType } from "./conversation.type.js";

@Resolver(() => MessageType)
export class MessageResolver {
  @FieldResolver(() => ConversationType)
  async conversation(@Root() message: MessageRow, @Ctx() context: RequestContext): Promise<ConversationRow> {
    const row = await asTenant(context).loaders.conversation(message.conversationId);
    if (row === undefined) throw notFound("Conversation");
    return row;
  }
}
