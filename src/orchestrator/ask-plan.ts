import { promptOverheadTokens } from "../inference/chat-prompt.js";
import type { ChosenModel, InferencePool } from "../inference/inference-pool.js";
import type { TenantModel } from "../inference/tenant-model.js";
import { badUserInput } from "../kernel/errors.js";
import type { ConversationId } from "../kernel/ids.js";
import { parseConversationId } from "../memory/conversation-memory.js";
import type { BoundedCall } from "../metering/door.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import type { AskInput } from "./answer-event.js";

/** A question that has been checked: everything that can be wrong with it was, before anything is spent. */
export interface AskPlan {
  readonly question: string;
  readonly conversationId?: ConversationId;
  readonly chosen: ChosenModel;
  readonly maxTokens: number;
  /** Whether the caller named it. */
  readonly isDeclared: boolean;
  readonly cacheSimilarity?: number;
  readonly skipsCache: boolean;
}

/** Throws `BAD_USER_INPUT`, or `NOT_FOUND` for an id that no conversation can have. */
export function planAsk(context: TenantContext, input: AskInput, pool: InferencePool, tuned?: TenantModel): AskPlan {
  const { maxQuestionChars, maxAnswerTokens } = context.policy;
  const question = checkText("question", input.question, maxQuestionChars);
  const { maxTokens = maxAnswerTokens } = input;
  if (!Number.isInteger(maxTokens) || maxTokens < 1 || maxTokens > maxAnswerTokens) {
    throw badUserInput("maxTokens", String(maxTokens), `a whole number from 1 to ${maxAnswerTokens}`);
  }
  const { cacheSimilarity, skipCache = false } = input;
  // Also what is no number: a comparison with it is false, and so it would pass any bound that is written the other way round.
  if (cacheSimilarity !== undefined && !(cacheSimilarity >= 0 && cacheSimilarity <= 1)) throw badUserInput("cacheSimilarity", String(cacheSimilarity), "a number from 0 to 1");
  const chosen = tuned === undefined ? pool.choose(context.policy, input.model) : pool.chooseTuned(context, tuned, input.model);
  return { question, chosen, maxTokens, isDeclared: input.maxTokens !== undefined, skipsCache: skipCache, ...(cacheSimilarity === undefined ? {} : { cacheSimilarity }), ...(input.conversationId === undefined ? {} : { conversationId: parseConversationId(input.conversationId) }) };
}

/** Throws `BAD_USER_INPUT` for a text that is empty or too long. Measured as sent: a megabyte of blanks is too long as well. */
export function checkText(field: string, text: string, charsMax: number): string {
  if (text.length > charsMax) throw badUserInput(field, `${text.length} characters`, `at most ${charsMax}`);
  const trimmed = text.trim();
  if (trimmed === "") throw badUserInput(field, "an empty text", `1 to ${charsMax} characters`);
  return trimmed;
}

/** Embedding models count otherwise than the counter: the embedded one up to a fifth more. */
const embeddingMargin = 1.25;

export interface AskTokens {
  readonly question: number;
  readonly history: number;
  /** Reserved for the answer at first. */
  readonly answer: number;
}

/** The same bound call by call, for its price. */
export function callsOf(plan: AskPlan, context: TenantContext, embeddingModel: string, { question, history, answer }: AskTokens, mayBeCached: boolean): readonly BoundedCall[] {
  return [
    // In place of the completion; of a model that costs nothing it is the dearer one.
    ...(mayBeCached ? [{ kind: "CACHE_HIT", model: plan.chosen.model, promptTokens: 0, completionTokens: 0 } as const] : []),
    { kind: "EMBEDDING", model: embeddingModel, promptTokens: Math.ceil(question * embeddingMargin) + 1, completionTokens: 0 },
    { kind: "COMPLETION", model: plan.chosen.model, promptTokens: question + history + context.policy.contextTokens + promptOverheadTokens, completionTokens: answer },
  ];
}

/** Upper bound of all tokens of a question: it is embedded once and stands once in the prompt. */
export function boundOf(context: TenantContext, { question, history, answer }: AskTokens): number {
  return 2 * question + history + context.policy.contextTokens + promptOverheadTokens + answer;
}
