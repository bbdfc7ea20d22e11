import "reflect-metadata";
import type { GraphQLResolveInfo } from "graphql";
import { Arg, Ctx, FieldResolver, Info, Mutation, Resolver, Root, Subscription } from "type-graphql";
import { badUserInput, notFound, type ErrorCode } from "../../kernel/errors.js";
import { isWellFormedId, type AdapterId, type ConversationId, type TenantId } from "../../kernel/ids.js";
import { isRefusal, type Refusal } from "../../kernel/refusal.js";
import type { ConversationRow, DocumentRow } from "../../storage/tenant-store.js";
import { ConversationType } from "../conversation/conversation.type.js";
import { maskError, meantError } from "../mask-errors.js";
import { formatMicroUsd } from "../money.js";
import { asTenant, type RequestContext, type TenantRequest } from "../request-context.js";
import { noteAnswer, noteCode } from "../request-facts.js";
import { responsePath } from "../response-path.js";
import type { AnswerEvent, Answered, AskInput } from "../services.js";
import { AnswerEventType, AnswerType, AskInputType, AskResultType } from "./answer.type.js";

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
    noteAnswer(request.facts, result);
    return isRefusal(result) ? result : toView(result, request);
  }

  @Subscription(() => AnswerEventType, {
    nullable: true,
    description: "Answers as `ask` does, word by word. `idempotencyKey` is required: a client that lost its connection subscribes again with the same arguments and hears the answer from its first word, without asking twice.",
    subscribe: ({ args, context, info }: { args: { input?: AskInputType }; context: RequestContext; info: GraphQLResolveInfo }) => answerEvents(args.input, context, info),
  })
  answer(@Arg("input", () => AskInputType) _input: AskInputType, @Root() event: AnswerEventView): AnswerEventView {
    return event;
  }

  @FieldResolver(() => ConversationType, { nullable: true })
  async conversation(@Root() answer: AnswerView, @Ctx() context: RequestContext): Promise<ConversationRow | undefined> {
    return answer.conversationId === undefined ? undefined : asTenant(context).loaders.conversation(answer.conversationId);
  }
}

interface FailedView {
  readonly kind: "FAILED";
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryAfterMs?: number;
  readonly requestId?: string;
}

type AnswerEventView = Exclude<AnswerEvent, Answered> | AnswerView | FailedView;

/** What fails before the answer began is an error of the field, as with `ask`; what fails after is an event. */
async function* answerEvents(input: AskInputType | undefined, context: RequestContext, info: GraphQLResolveInfo): AsyncGenerator<AnswerEventView> {
  const request = asTenant(context);
  if (input === undefined) throw badUserInput("input", "none", "a question");
  let hasStarted = false;
  try {
    for await (const event of request.services.answerStreams.stream(request.tenant, request.deadline, parseAskInput(input), responsePath(info))) {
      hasStarted = true;
      if (event.kind === "ANSWER" || event.kind === "REFUSAL") noteAnswer(request.facts, event);
      yield event.kind === "ANSWER" ? await toView(event, request) : event;
    }
  } catch (error) {
    // The end of the listener's own time, by token, suspension or drain, is told by whoever cuts the stream.
    if (!hasStarted || request.deadline.signal.aborted) throw error;
    const failed = failedView(error, request);
    noteCode(request.facts, failed.code);
    yield failed;
  }
}

function failedView(error: unknown, { requestId, telemetry }: TenantRequest): FailedView {
  const meant = meantError(error);
  const { message } = maskError(error);
  if (meant !== undefined && meant.code !== "INTERNAL") return { kind: "FAILED", code: meant.code, message, ...(meant.details.retryAfterMs === undefined ? {} : { retryAfterMs: meant.details.retryAfterMs }) };
  telemetry.log("error", "Unexpected error", { requestId, err: error });
  return { kind: "FAILED", code: "INTERNAL", message, requestId };
}

/** Lengths and models are the tier's and are checked where the question is answered. */
function parseAskInput({ question, conversationId, model, adapterId, maxTokens, cacheSimilarity, skipCache, idempotencyKey }: AskInputType): AskInput {
  if (question.trim().length === 0) throw badUserInput("question", "no text", "a question");
  if (typeof maxTokens === "number" && maxTokens < 1) throw badUserInput("maxTokens", String(maxTokens), "1 or more");
  if (typeof conversationId === "string" && !isWellFormedId("conversation", conversationId)) throw notFound("Conversation");
  if (typeof adapterId === "string" && !isWellFormedId("adapter", adapterId)) throw notFound("Adapter");
  return {
    question,
    ...(typeof conversationId === "string" ? { conversationId: conversationId as ConversationId } : {}),
    ...(typeof model === "string" ? { model } : {}),
    ...(typeof adapterId === "string" ? { adapterId: adapterId as AdapterId } : {}),
    ...(typeof maxTokens === "number" ? { maxTokens } : {}),
    ...(typeof cacheSimilarity === "number" ? { cacheSimilarity } : {}),
    ...(typeof skipCache === "boolean" ? { skipCache } : {}),
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
