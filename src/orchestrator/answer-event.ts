import type { FinishReason } from "../inference/inference-backend.js";
import type { AdapterId, ChunkId, ConversationId, DocumentId } from "../kernel/ids.js";
import type { Refusal } from "../kernel/refusal.js";

export interface AskInput {
  readonly question: string;
  readonly conversationId?: ConversationId;
  readonly model?: string;
  /** A model of the tenant's own, in the place of the one it is made from. */
  readonly adapterId?: AdapterId;
  readonly maxTokens?: number;
  /** Cosine, 0..1, that an earlier question needs at least for its answer to stand for this one's. Can only raise the tier's. */
  readonly cacheSimilarity?: number;
  /** Asks the model whatever was answered before. */
  readonly skipCache?: boolean;
  /** Given: this question is answered once, however often it is sent. See `AnswerOnce`. */
  readonly idempotencyKey?: string;
}

export interface Citation {
  readonly documentId: DocumentId;
  readonly chunkId: ChunkId;
  readonly snippet: string;
  /** Fused relevance, 0..1. */
  readonly score: number;
}

export interface Answered {
  readonly kind: "ANSWER";
  readonly id: string;
  readonly text: string;
  readonly finishReason: FinishReason;
  readonly citations: readonly Citation[];
  /** All model calls of the question together: its embedding and its completion. */
  readonly usage: { readonly promptTokens: number; readonly completionTokens: number; readonly costMicroUsd: number };
  readonly cached: boolean;
  /** Whether it is the answer that an earlier request with the same key was given. `usage` is what it cost then. */
  readonly replayed: boolean;
  readonly model: string;
  readonly conversationId?: ConversationId;
  readonly latency: { readonly totalMs: number; readonly stages: readonly { readonly name: string; readonly ms: number }[] };
}

/** Ends with exactly one `ANSWER` or `REFUSAL`, unless it throws. Failures are thrown, so that one place masks them. */
export type AnswerEvent =
  | { readonly kind: "STARTED"; readonly id: string; readonly model: string; readonly conversationId?: ConversationId }
  | { readonly kind: "DELTA"; readonly text: string }
  | Answered
  | Refusal;
