import type { Embedder, Embedding } from "../../src/retrieval/embedder.js";

/** Embeds by counting letters: fast, deterministic, and near for texts that share words. Records its calls. */
export class LetterEmbedder implements Embedder {
  readonly model = "letters";
  readonly dimensions = 26;
  readonly calls: { readonly texts: readonly string[]; readonly lane: "QUESTION" | "INGEST" }[] = [];
  /** Called before each embedding: throw to make it fail, wait to make it slow. */
  before: () => Promise<void> = () => Promise.resolve();

  async embed(texts: readonly string[], lane: "QUESTION" | "INGEST", signal: AbortSignal): Promise<Embedding> {
    this.calls.push({ texts, lane });
    await this.before();
    signal.throwIfAborted();
    return { vectors: texts.map(vectorOf), tokens: texts.reduce((sum, text) => sum + Math.ceil(text.length / 4), 0) };
  }

  ready(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

export function vectorOf(text: string): Float32Array {
  const vector = new Float32Array(26);
  for (const char of text.toLowerCase()) {
    const index = char.charCodeAt(0) - 97;
    if (index >= 0 && index < 26) vector[index] = (vector[index] ?? 0) + 1;
  }
  const norm = Math.hypot(...vector) || 1;
  return vector.map((value) => value / norm);
}
