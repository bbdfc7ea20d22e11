import "reflect-metadata";
import type { GraphQLResolveInfo } from "graphql";
import { Arg, Ctx, FieldResolver, Info, Mutation, Resolver, Root } from "type-graphql";
import { badUserInput, notFound } from "../../kernel/errors.js";
import { isWellFormedId, type ConversationId, type TenantId } from "../../kernel/ids.js";
import { isRefusal, type Refusal } from "../../kernel/refusal.js";
import type { ConversationRow, DocumentRow } from "../../storage/tenant-store.js";
import { ConversationType } from "../conversation/conversation.type.js";
import { formatMicroUsd } from "../money.js";
import { asTenant, type RequestContext, type TenantRequest } from "../request-context.js";
import { responsePath } from "../response-path.js";
import type { Answered, AskInput } from "../services.js";
import { AnswerType, AskInputType, AskResultType } from "./answer.type.js";

interface AnswerView extends Omit<Answered, "citations" | "usage"> {
  readonly citations: readonly { tenantId: TenantId; document: DocumentRow; chunkId: string; snippet: string; score: number }[];
  readonly usage: Answered["usage"] & { cost: string };
}

@Resolver(() => AnswerType)
export class AnswerResolver {
  @Mutation(() => AskResultType, { nullable: true, description: "Answers a question from the tenant's documents, with citations. A refusal is a result, not an error." })
  async ask(@Arg("input", () => AskInputType) input: AskInputType, @Ctx() context: RequestContext, @Info() info: GraphQLResolveInfo): Promise<AnswerView | Refusal> {
    const request = asTenant(context);
    const result = await request.services.answers.run(request.tenant, request.deadline, parseAskInput(input), responsePath(info));
    return isRefusal(result) ? result : toView(result, request);
  }

  @FieldResolver(() => ConversationType, { nullable: true })
  async conversation(@Root() answer: AnswerView, @Ctx() context: RequestContext): Promise<ConversationRow | undefined> {
    return answer.conversationId === undefined ? undefined : asTenant(context).loaders.conversation(answer.conversationId);
  }
}

/** Lengths and models are the tier's and are checked where the question is answered. */
function parseAskInput({ question, conversationId, model, maxTokens, idempotencyKey }: AskInputType): AskInput {
  if (question.trim().length === 0) throw badUserInput("question", "no text", "a question");
  if (typeof maxTokens === "number" && maxTokens < 1) throw badUserInput("maxTokens", String(maxTokens), "1 or more");
  if (typeof conversationId === "string" && !isWellFormedId("conversation", conversationId)) throw notFound("Conversation");
  return {
    question,
    ...(typeof conversationId === "string" ? { conversationId: conversationId as ConversationId } : {}),
    ...(typeof model === "string" ? { model } : {}),
    ...(typeof maxTokens === "number" ? { maxTokens } : {}),
    ...(typeof idempotencyKey === "string" ? { idempotencyKey } : {}),
  };
}

/**
 * A citation's snippet is a tenant's text, but the use case hands it over without a tag. Its document
 * is read here even when the caller did not select it: the tag compared is the one stored with the
 * document, not one this layer made up. Without a document (deleted meanwhile, or foreign) there is
 * nothing to vouch for the snippet, and it is withheld.
 */
async function toView(answer: Answered, { loaders }: TenantRequest): Promise<AnswerView> {
  const found = await Promise.all(
    answer.citations.map(async ({ documentId, chunkId, snippet, score }) => {
      const document = await loaders.document(documentId);
      return document === undefined ? undefined : { tenantId: document.tenantId, document, chunkId, snippet, score };
    }),
  );
  const citations = found.filter((citation) => citation !== undefined);
  return { ...answer, citations, usage: { ...answer.usage, cost: formatMicroUsd(answer.usage.costMicroUsd) } };
}
