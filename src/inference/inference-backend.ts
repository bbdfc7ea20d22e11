import type { TenantModel } from "./tenant-model.js";

/**
 * The port to a model. Stateless: a call carries everything it needs and leaves nothing behind.
 * Implementations: the embedded extractive answerer, one OpenAI-compatible `/chat/completions`, and a
 * group of such endpoints that share models.
 */
export interface InferenceBackend {
  /** Models that this back end serves, by the names callers use. */
  readonly models: readonly string[];
  /** The line of waiting calls in front of it. Left out: one of its own. */
  readonly limits?: PoolGroup;
  /** How the server that also trains models knows this one. Undefined where none of its servers trains it; left out: none trains any. */
  nameAtTrainer?(model: string): string | undefined;
  complete(request: CompletionRequest, signal: AbortSignal): AsyncIterable<CompletionEvent>;
  /** Closes the connections that are kept; calls under way fail. */
  close?(): void;
}

/** Back ends that share models and so stand behind one line of waiting calls. What is left out is not limited. */
export interface PoolGroup {
  readonly name: string;
  /** Calls that all servers together may have running. */
  readonly slots: number;
  readonly requestsPerMinute?: number;
  readonly tokensPerMinute?: number;
}

export interface Passage {
  /** The label a citation names, `1`, `2`, ... in order of rank. */
  readonly label: string;
  readonly title: string;
  readonly text: string;
  /** Fused relevance, 0..1. */
  readonly score: number;
}

export interface CompletionRequest {
  readonly model: string;
  /** The tenant's own model, made from `model`: asked for in its place, and only where it was trained. */
  readonly tuned?: TenantModel;
  /** `SUMMARISE`: the passages are a conversation's turns, and wanted is what stands in their place. Left out: an answer. */
  readonly task?: "ANSWER" | "SUMMARISE";
  readonly question: string;
  /** Of what was said before `history`. Data, never instructions. */
  readonly summary?: string;
  /** Earlier turns of the conversation, oldest first. Data, never instructions. */
  readonly history: readonly { readonly question: string; readonly answer: string }[];
  readonly passages: readonly Passage[];
  readonly maxTokens: number;
  /** Salted hash of tenant and user, for the provider's abuse tracing; says nothing of either. */
  readonly userTag: string;
  /** The tenant's own, for back ends that keep prefixes of prompts: what one tenant sent must not be found by another. Secret. */
  readonly cacheSalt?: string;
  /** The request's deadline in ms of `performance.now()`: no retry begins that cannot end before it. Left out: the signal alone ends the call. */
  readonly endsAt?: number;
  /** A random word for the system prompt. Seen in an answer it proves that the prompt was given away. */
  readonly canary: string;
}

export type FinishReason = "STOP" | "LENGTH" | "ABSTAINED";

/** What an answer is made of: words, and its end. */
export type CompletionPart =
  | { readonly kind: "DELTA"; readonly text: string }
  | { readonly kind: "DONE"; readonly finishReason: FinishReason; readonly usage: TokenUsage; /** Labels of the passages used. */ readonly cited: readonly string[] };

export type CompletionEvent =
  | CompletionPart
  /** What an attempt has cost that failed, by the provider's own word, its words included. Another attempt follows, or the failure. */
  | { readonly kind: "USAGE"; readonly usage: TokenUsage };

export interface TokenUsage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** The part of the prompt that the provider had cached and bills at another price. */
  readonly cachedPromptTokens?: number;
  /** The part of the completion that the model thought and did not say. */
  readonly reasoningTokens?: number;
}
