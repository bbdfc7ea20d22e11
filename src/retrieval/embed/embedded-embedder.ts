/**
 * The embedding model that comes with the server: Universal Sentence Encoder lite, English, 512
 * dimensions. Before it come the question and the ingestion; behind it two worker threads, one for
 * each, so that a question never waits behind a document.
 */
import { badUserInput } from "../../kernel/errors.js";
import { silentTelemetry, type Telemetry } from "../../kernel/telemetry.js";
import type { Embedder, Embedding } from "../embedder.js";
import { EmbeddingWorker, type TextTask, type TextVector } from "./embedding-worker.js";

type Lane = "QUESTION" | "INGEST";

export class EmbeddedEmbedder implements Embedder {
  /** As the price book names it. */
  readonly model = "embedded-use-lite";
  readonly dimensions = 512;
  readonly #queues: Readonly<Record<Lane, TextTask[]>> = { QUESTION: [], INGEST: [] };
  readonly #workers: Readonly<Record<Lane, EmbeddingWorker>>;
  /** Until someone asks, as while the demo documents are ingested, the questions' worker may help. */
  #asked = false;

  constructor(telemetry: Telemetry = silentTelemetry, workerFile?: string) {
    const { QUESTION: questions, INGEST: ingest } = this.#queues;
    this.#workers = {
      QUESTION: new EmbeddingWorker("embedding-questions", () => questions.shift() ?? (this.#asked ? undefined : ingest.shift()), telemetry, { background: false }, workerFile),
      INGEST: new EmbeddingWorker("embedding-ingest", () => ingest.shift(), telemetry, { background: true }, workerFile),
    };
    // Loading takes about a second: the first question should not wait for it. A failure is told to whoever embeds.
    this.#workers.QUESTION.start().catch(() => undefined);
  }

  /** Throws `BAD_USER_INPUT` for a text without words, `UPSTREAM_FAILED`, or the signal's reason. */
  async embed(texts: readonly string[], lane: Lane, signal: AbortSignal): Promise<Embedding> {
    signal.throwIfAborted();
    const empty = texts.findIndex((text) => text.trim() === "");
    if (empty >= 0) throw badUserInput("text", "nothing but white space", "a text with words");
    if (lane === "QUESTION") this.#asked = true;
    const results = await this.#embedAll(texts, lane, signal);
    return { vectors: results.map((result) => result.vector), tokens: results.reduce((sum, result) => sum + result.tokens, 0) };
  }

  ready(): Promise<void> {
    return this.#workers.QUESTION.start();
  }

  async close(): Promise<void> {
    await Promise.all([this.#workers.QUESTION.close(), this.#workers.INGEST.close()]);
  }

  async #embedAll(texts: readonly string[], lane: Lane, signal: AbortSignal): Promise<readonly TextVector[]> {
    // One failure, or the request's end, drops the request's other texts: abandoned work must not hold up others.
    const stop = new AbortController();
    const either = AbortSignal.any([signal, stop.signal]);
    const pending = texts.map((text) => this.#enqueue(text, lane, either));
    either.addEventListener("abort", () => this.#drop(lane, either), { once: true });
    this.#workers[lane].wake();
    if (lane === "INGEST" && !this.#asked) this.#workers.QUESTION.wake();
    try {
      return await Promise.race([Promise.all(pending), abortOf(either)]);
    } finally {
      stop.abort();
    }
  }

  #enqueue(text: string, lane: Lane, signal: AbortSignal): Promise<TextVector> {
    return new Promise((resolve, reject) => this.#queues[lane].push({ text, signal, resolve, reject }));
  }

  #drop(lane: Lane, signal: AbortSignal): void {
    const queue = this.#queues[lane];
    const kept = queue.filter((task) => task.signal !== signal);
    const dropped = queue.filter((task) => task.signal === signal);
    queue.splice(0, queue.length, ...kept);
    for (const task of dropped) task.reject(signal.reason);
  }
}

/** Rejects when the signal fires. The text under way cannot be stopped, but nobody has to wait for it. */
function abortOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
}
