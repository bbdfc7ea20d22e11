import "reflect-metadata";
import { Arg, Args, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from "type-graphql";
import { badUserInput, notFound } from "../../kernel/errors.js";
import { isWellFormedId, type ConversationId } from "../../kernel/ids.js";
import type { ConversationRow, MessageRow } from "../../storage/tenant-store.js";
import { PageArgs, parsePageRequest, toConnection, type Connection } from "../connection.js";
import { asTenant, type RequestContext } from "../request-context.js";
import {
  ClearConversationInput, ClearConversationPayloadType, ConversationConnectionType, ConversationType,
  MessageConnectionType, StartConversationInput, StartConversationPayloadType,
} from "./conversation.type.js";

const titleCharsMax = 256;

@Resolver(() => ConversationType)
export class ConversationResolver {
  @Query(() => ConversationConnectionType, { nullable: true, description: "The caller's own conversations, newest first." })
  async conversations(@Args(() => PageArgs) args: PageArgs, @Ctx() context: RequestContext): Promise<Connection<ConversationRow>> {
    const { services, tenant, deadline } = asTenant(context);
    const request = parsePageRequest(args);
    return toConnection(await services.stores.read(tenant, deadline, (store) => store.conversationsOf(tenant.userId).page(request)), request);
  }

  @Query(() => ConversationType, { nullable: true, description: "One of the caller's own conversations. `NOT_FOUND` when they have none with this id." })
  async conversation(@Arg("id", () => ID) id: string, @Ctx() context: RequestContext): Promise<ConversationRow> {
    const row = await asTenant(context).loaders.conversation(id);
    if (row === undefined) throw notFound("Conversation");
    return row;
  }

  @FieldResolver(() => MessageConnectionType, { description: "The conversation's turns, oldest first." })
  async messages(@Root() conversation: ConversationRow, @Args(() => PageArgs) args: PageArgs, @Ctx() context: RequestContext): Promise<Connection<MessageRow>> {
    const { services, tenant, deadline } = asTenant(context);
    const request = parsePageRequest(args);
    return toConnection(await services.stores.read(tenant, deadline, (store) => store.conversationsOf(tenant.userId).messages(conversation.id, request)), request);
  }

  @Mutation(() => StartConversationPayloadType, { nullable: true, description: "Starts a conversation, so that later questions can refer to earlier ones." })
  async startConversation(
    @Arg("input", () => StartConversationInput, { nullable: true }) input: StartConversationInput | undefined,
    @Ctx() context: RequestContext,
  ): Promise<{ conversation: ConversationRow }> {
    const { services, tenant, deadline } = asTenant(context);
    const title = parseTitle(input?.title);
    return { conversation: await services.stores.write(tenant, deadline, (store) => store.conversationsOf(tenant.userId).start(title)) };
  }

  @Mutation(() => ClearConversationPayloadType, { nullable: true, description: "Removes a conversation of the caller with all its turns." })
  async clearConversation(@Arg("input", () => ClearConversationInput) input: ClearConversationInput, @Ctx() context: RequestContext): Promise<ClearConversationPayloadType> {
    const { services, tenant, deadline, loaders } = asTenant(context);
    if (!isWellFormedId("conversation", input.conversationId)) throw notFound("Conversation");
    const id = input.conversationId as ConversationId;
    if (!(await services.stores.write(tenant, deadline, (store) => store.conversationsOf(tenant.userId).clear(id)))) throw notFound("Conversation");
    loaders.forget(id);
    return { conversationId: id };
  }
}

function parseTitle(text: string | null | undefined): string {
  const title = text?.trim() ?? "New conversation";
  if (title.length === 0 || title.length > titleCharsMax) throw badUserInput("title", `${title.length} characters`, `1 to ${titleCharsMax}`);
  return title;
}
