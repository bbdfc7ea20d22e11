/** Turns text into vectors. Two implementations: the embedded model in a worker, and any OpenAI-compatible `/embeddings`. */
export interface Embedder {
  readonly model: string;
  readonly dimensions: number;
  /**
   * One vector a text, in order, each of length 1. `lane` keeps questions from waiting behind ingest.
   * Throws `UPSTREAM_FAILED`, `DEADLINE_EXCEEDED`, or the signal's reason.
   */
  embed(texts: readonly string[], lane: "QUESTION" | "INGEST", signal: AbortSignal): Promise<Embedding>;
  /** Resolves when the model answers. */
  ready(): Promise<void>;
  close(): Promise<void>;
}

export interface Embedding {
  readonly vectors: readonly Float32Array[];
  readonly tokens: number;
}
