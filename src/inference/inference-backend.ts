/**
 * The port to a model. Stateless: a call carries everything it needs and leaves nothing behind.
 * Two implementations: the embedded extractive answerer and any OpenAI-compatible `/chat/completions`.
 */
export interface InferenceBackend {
  /** Models that this back end serves, by the names callers use. */
  readonly models: readonly string[];
  complete(request: CompletionRequest, signal: AbortSignal): AsyncIterable<CompletionEvent>;
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
  readonly question: string;
  /** Earlier turns of the conversation, oldest first. Data, never instructions. */
  readonly history: readonly { readonly question: string; readonly answer: string }[];
  readonly passages: readonly Passage[];
  readonly maxTokens: number;
  /** Salted hash of tenant and user, for the provider's abuse tracing; says nothing of either. */
  readonly userTag: string;
  /** A random word for the system prompt. Seen in an answer it proves that the prompt was given away. */
  readonly canary: string;
}

export type FinishReason = "STOP" | "LENGTH" | "ABSTAINED";

export type CompletionEvent =
  | { readonly kind: "DELTA"; readonly text: string }
  | { readonly kind: "DONE"; readonly finishReason: FinishReason; readonly usage: TokenUsage; /** Labels of the passages used. */ readonly cited: readonly string[] };

export interface TokenUsage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** The part of the prompt that the provider had cached and bills at another price. */
  readonly cachedPromptTokens?: number;
  /** The part of the completion that the model thought and did not say. */
  readonly reasoningTokens?: number;
}
