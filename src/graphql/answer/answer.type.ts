import "reflect-metadata";
import { createUnionType, Field, Float, ID, InputType, Int, ObjectType } from "type-graphql";
import type { FinishReason } from "../../inference/inference-backend.js";
import type { ErrorCode } from "../../kernel/errors.js";
import { isRefusal, type RefusalCode } from "../../kernel/refusal.js";
import { ConversationType } from "../conversation/conversation.type.js";
import { DocumentType } from "../document/document.type.js";
import { finishReasonEnum, errorCodeEnum } from "../enums.js";
import { safeInt } from "../scalars.js";

@InputType("AskInput", { description: "A question to the tenant's documents." })
export class AskInputType {
  @Field(() => String, { description: "The question. How long it may be is set by the tier." })
  question!: string;

  @Field(() => ID, { nullable: true, description: "A conversation of the caller to go on with." })
  conversationId?: string;

  @Field(() => String, { nullable: true, description: "A model that the tier allows; the tier's first when left out." })
  model?: string;

  @Field(() => ID, { nullable: true, description: "A `READY` adapter of the tenant, to answer with in the place of the model it is made from, which is what it costs." })
  adapterId?: string;

  @Field(() => Int, { nullable: true, description: "Upper bound of the answer's length in tokens; the tier's own bound when left out." })
  maxTokens?: number;

  @Field(() => Float, { nullable: true, description: "How near an earlier question of the tenant must be for its answer to be given again, as a cosine from 0 to 1. Can only raise what the tier demands." })
  cacheSimilarity?: number;

  @Field(() => Boolean, { nullable: true, description: "True: the model is asked, whatever was answered before." })
  skipCache?: boolean;

  @Field(() => String, { nullable: true, description: "The caller's name for this question: sent again with the same arguments within 24 hours it gets the same answer, made and paid for once. 1 to 200 printable characters; no other user's key can meet it." })
  idempotencyKey?: string;
}

@ObjectType("Citation", { simpleResolvers: true, description: "A passage that the answer rests on." })
export class CitationType {
  @Field(() => DocumentType, { description: "The document it stands in. A passage whose document was deleted meanwhile is not cited." })
  document!: DocumentType;

  @Field(() => ID, { description: "The passage's id. Opaque." })
  chunkId!: string;

  @Field(() => String, { description: "The words the answer rests on." })
  snippet!: string;

  @Field(() => Float, { description: "Relevance of the passage to the question, 0 to 1." })
  score!: number;
}

@ObjectType("AnswerUsage", { simpleResolvers: true, description: "What an answer cost." })
export class AnswerUsageType {
  @Field(() => Int, { description: "Tokens of question, history and passages." })
  promptTokens!: number;

  @Field(() => Int, { description: "Tokens of the answer." })
  completionTokens!: number;

  @Field(() => safeInt, { description: "In micro-dollars: millionths of a US dollar." })
  costMicroUsd!: number;

  @Field(() => String, { description: "The same amount for people, such as $0.000123." })
  cost!: string;
}

@ObjectType("AnswerStage", { simpleResolvers: true, description: "A step of answering and how long it took." })
export class AnswerStageType {
  @Field(() => String, { description: "The step." })
  name!: string;

  @Field(() => Float, { description: "Milliseconds." })
  ms!: number;
}

@ObjectType("AnswerLatency", { simpleResolvers: true, description: "Where the time of an answer went." })
export class AnswerLatencyType {
  @Field(() => Float, { description: "Milliseconds from the question's arrival at the use case to the finished answer." })
  totalMs!: number;

  @Field(() => [AnswerStageType], { description: "The steps in order." })
  stages!: readonly AnswerStageType[];
}

@ObjectType("Answer", { simpleResolvers: true, description: "An answer from the tenant's documents." })
export class AnswerType {
  @Field(() => ID, { description: "Opaque." })
  id!: string;

  @Field(() => String, { description: "The answer. Says so plainly when the documents hold none." })
  text!: string;

  @Field(() => finishReasonEnum, { description: "Why it ended." })
  finishReason!: FinishReason;

  @Field(() => [CitationType], { description: "The passages it rests on, best first." })
  citations!: readonly CitationType[];

  @Field(() => AnswerUsageType, { description: "What it cost." })
  usage!: AnswerUsageType;

  @Field(() => Boolean, { description: "Whether it was remembered from an earlier question of this tenant." })
  cached!: boolean;

  @Field(() => Boolean, { description: "Whether it is the answer that an earlier request with the same `idempotencyKey` was given. It cost nothing this time." })
  replayed!: boolean;

  @Field(() => String, { description: "The model that answered." })
  model!: string;

  @Field(() => ConversationType, { nullable: true, description: "The conversation it was added to; null when none was given." })
  conversation?: ConversationType;

  @Field(() => AnswerLatencyType, { description: "Where the time went." })
  latency!: AnswerLatencyType;
}

@ObjectType("Refusal", { simpleResolvers: true, description: "A question that was not answered now, although nothing failed. It cost nothing." })
export class RefusalType {
  @Field(() => errorCodeEnum, { description: "Why." })
  code!: RefusalCode;

  @Field(() => String, { description: "Why, in words." })
  message!: string;

  @Field(() => Int, { nullable: true, description: "After how many milliseconds it is worth asking again; null when waiting does not help." })
  retryAfterMs?: number;

  @Field(() => String, { nullable: true, description: "The limit that was hit, such as `tokensPerMinute`." })
  limit?: string;
}

@ObjectType("AnswerStarted", { simpleResolvers: true, description: "The question was admitted and is being answered." })
export class AnswerStartedType {
  @Field(() => ID, { description: "The answer's id. Opaque." })
  id!: string;

  @Field(() => String, { description: "The model that answers." })
  model!: string;
}

@ObjectType("AnswerDelta", { simpleResolvers: true, description: "The next words of the answer." })
export class AnswerDeltaType {
  @Field(() => String, { description: "To be put after what came before." })
  text!: string;
}

@ObjectType("AnswerFailed", { simpleResolvers: true, description: "An answer that began and could not be finished. What came is not the answer, and is not remembered." })
export class AnswerFailedType {
  @Field(() => errorCodeEnum, { description: "Why, such as `STREAM_TRUNCATED`." })
  code!: ErrorCode;

  @Field(() => String, { description: "Why, in words." })
  message!: string;

  @Field(() => Int, { nullable: true, description: "After how many milliseconds it is worth asking again; null when that is not known." })
  retryAfterMs?: number;

  @Field(() => String, { nullable: true, description: "For `INTERNAL`: what to name when asking the operator." })
  requestId?: string;
}

export const AnswerEventType = createUnionType({
  name: "AnswerEvent",
  description: "First `AnswerStarted`, then any number of `AnswerDelta`, then one `Answer` or `AnswerFailed`. A `Refusal` comes alone, or ends an answer that a guard stopped.",
  types: () => [AnswerStartedType, AnswerDeltaType, AnswerType, RefusalType, AnswerFailedType] as const,
  // The classes describe fields; what arrives is the resolver's view, which has a kind.
  resolveType: (event: object) => eventTypes[(event as { readonly kind: keyof typeof eventTypes }).kind],
});

const eventTypes = { STARTED: AnswerStartedType, DELTA: AnswerDeltaType, ANSWER: AnswerType, REFUSAL: RefusalType, FAILED: AnswerFailedType };

export const AskResultType = createUnionType({
  name: "AskResult",
  description: "An answer, or why there is none now.",
  types: () => [AnswerType, RefusalType] as const,
  resolveType: (value: object) => (isRefusal(value) ? RefusalType : AnswerType),
});
