import type { Worker } from "node:worker_threads";
import { BulkheadError, serviceUnavailable, upstreamFailed } from "../../kernel/errors.js";
import type { Telemetry } from "../../kernel/telemetry.js";
import { startWorker } from "../start-worker.js";
import type { EmbeddingWorkerData, EmbedMessage, EmbeddingReply } from "./embedding-messages.js";

export interface TextVector {
  readonly vector: Float32Array;
  readonly tokens: number;
}

export interface TextTask {
  readonly text: string;
  readonly signal: AbortSignal;
  readonly resolve: (result: TextVector) => void;
  readonly reject: (error: unknown) => void;
}

/** A model that crashes three times in a row, without one text embedded between, will crash a fourth time: it gets a rest. */
const crashesInARowMax = 3;
/** Ten loads of the model: retries then cost a tenth of a core at most. */
const restMs = 10_000;

/**
 * One worker thread with the model, started at the first `start` or text. It takes its texts one by
 * one from `next`, so that a text whose request was given up meanwhile is never computed. A worker
 * that dies fails the text it had, and is started again.
 */
export class EmbeddingWorker {
  #worker: Worker | undefined;
  #ready: Promise<void> | undefined;
  #current: { readonly id: number; readonly task: TextTask } | undefined;
  #lastId = 0;
  #crashes = 0;
  #closed = false;
  #resting: { readonly until: number; readonly error: BulkheadError } | undefined;

  constructor(
    private readonly name: string,
    private readonly next: () => TextTask | undefined,
    private readonly telemetry: Telemetry,
    private readonly data: EmbeddingWorkerData,
    private readonly file = "embedding.worker",
  ) {}

  get isIdle(): boolean {
    return this.#current === undefined;
  }

  /** Resolves when the model is loaded. Rejects with `UPSTREAM_FAILED` when it cannot be. */
  start(): Promise<void> {
    if (this.#closed) return Promise.reject(serviceUnavailable("The embedding model is shutting down"));
    this.#ready ??= this.#launch();
    return this.#ready;
  }

  /** Says that `next` may have something. */
  wake(): void {
    if (this.#resting !== undefined && performance.now() < this.#resting.until) return this.#failAll(this.#resting.error);
    this.start().then(
      () => this.#advance(),
      (error: unknown) => this.#failAll(error),
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#failAll(serviceUnavailable("The embedding model is shutting down"));
    await this.#worker?.terminate();
  }

  #launch(): Promise<void> {
    const worker = startWorker(import.meta.url, `./${this.file}`, { name: this.name, data: this.data });
    this.#worker = worker;
    return new Promise<void>((resolve, reject) => {
      worker.on("message", (message: EmbeddingReply) => {
        if (message.kind !== "READY") return this.#settle(message);
        this.telemetry.observe("embedding_model_load_ms", message.loadMs, { worker: this.name });
        resolve();
        this.#advance();
      });
      worker.once("error", (error) => reject(this.#lost(worker, error)));
      worker.once("exit", (code) => reject(this.#lost(worker, new RangeError(`exit code ${code}`))));
    });
  }

  #advance(): void {
    if (this.#current !== undefined || this.#closed) return;
    let task = this.next();
    while (task?.signal.aborted) {
      task.reject(task.signal.reason);
      task = this.next();
    }
    if (task === undefined) {
      // A process that has nothing else to do may exit: an idle model is no reason to live.
      this.#worker?.unref();
      return;
    }
    this.#worker?.ref();
    this.#lastId += 1;
    this.#current = { id: this.#lastId, task };
    this.#worker?.postMessage({ id: this.#lastId, text: task.text } satisfies EmbedMessage);
  }

  #settle(message: Exclude<EmbeddingReply, { kind: "READY" }>): void {
    const current = this.#current;
    if (current === undefined || current.id !== message.id) return;
    this.#current = undefined;
    this.#crashes = 0;
    if (message.kind === "VECTOR") current.task.resolve({ vector: message.vector, tokens: message.tokens });
    else current.task.reject(upstreamFailed(`The embedding model failed: ${message.message}`));
    this.#advance();
  }

  #lost(worker: Worker, cause: Error): BulkheadError {
    const error = upstreamFailed("The embedding model's worker stopped", cause);
    // "error" and "exit" both come for one death, and an old worker's must not touch the new one.
    if (this.#worker !== worker || this.#closed) return error;
    this.#worker = undefined;
    this.#ready = undefined;
    this.#crashes += 1;
    this.telemetry.log("error", "The embedding model's worker stopped", { worker: this.name, cause: cause.message, crashes: this.#crashes });
    this.#current?.task.reject(error);
    this.#current = undefined;
    if (this.#crashes >= crashesInARowMax) this.#resting = { until: performance.now() + restMs, error };
    this.wake();
    return error;
  }

  #failAll(error: unknown): void {
    this.#current?.task.reject(error);
    this.#current = undefined;
    for (let task = this.next(); task !== undefined; task = this.next()) task.reject(error);
  }
}
