/**
 * Turns an uploaded document into chunks. Before it come size and type checks; behind it threads
 * that read untrusted bytes under limits of time and memory, and are killed when they pass them.
 */
import type { Worker } from "node:worker_threads";
import { badUserInput, internal, serviceUnavailable, type BulkheadError } from "../../kernel/errors.js";
import type { MediaType } from "../../storage/tenant-store.js";
import { documentLimits } from "../extract/document-limits.js";
import { probe } from "../extract/extract-text.js";
import { UnreadableDocument } from "../extract/unreadable-document.js";
import { startWorker } from "../start-worker.js";
import type { PreparedChunk } from "./prepared-chunk.js";
import type { ReadingReply, ReadingTask } from "./reading-messages.js";

/** One warm thread is enough between documents; a burst starts more and lets them go. */
const idleThreadsMax = 1;

export class DocumentReader {
  readonly #idle: Worker[] = [];
  readonly #busy = new Set<Worker>();
  #closed = false;

  constructor(
    private readonly limits: { readonly readMsMax: number; readonly heapMbMax: number } = documentLimits,
    private readonly file = "reading.worker",
  ) {}

  /** Refuses what will certainly not be readable, before anything is written. Throws as `prepare` does. */
  async probe(content: Uint8Array, mediaType: MediaType, signal: AbortSignal): Promise<void> {
    if (mediaType === "application/pdf") return void (await this.#run({ kind: "PROBE", content, mediaType }, signal));
    try {
      // Decoding 5 MB takes some 5 ms: less than a thread's start.
      await probe(content, mediaType);
    } catch (error) {
      if (error instanceof UnreadableDocument) throw badUserInput("content", error.got, error.expected);
      throw error;
    }
  }

  /**
   * The document's chunks, at least one. Throws `BAD_USER_INPUT` for a document that is empty, not
   * UTF-8, encrypted, broken, too large or too slow to read; otherwise the signal's reason.
   */
  prepare(title: string, content: Uint8Array, mediaType: MediaType, signal: AbortSignal): Promise<readonly PreparedChunk[]> {
    return this.#run({ kind: "PREPARE", content, mediaType, title }, signal);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#idle, ...this.#busy].map((worker) => worker.terminate()));
  }

  async #run(task: ReadingTask, signal: AbortSignal): Promise<readonly PreparedChunk[]> {
    signal.throwIfAborted();
    if (this.#closed) throw serviceUnavailable("The document reader is shutting down");
    const worker = this.#idle.pop() ?? this.#start();
    this.#busy.add(worker);
    worker.ref();
    let reusable = false;
    try {
      const reply = await this.#exchange(worker, task, signal);
      // A reader of PDF runs the file's own little programs: what it did to the thread must not meet another tenant's file.
      reusable = task.mediaType !== "application/pdf";
      return chunksOf(reply);
    } finally {
      this.#busy.delete(worker);
      await this.#putBack(worker, reusable);
    }
  }

  #exchange(worker: Worker, task: ReadingTask, signal: AbortSignal): Promise<ReadingReply> {
    const { readMsMax } = this.limits;
    return new Promise<ReadingReply>((resolve, reject) => {
      const timer = setTimeout(() => finish(() => reject(badUserInput("content", `a document that takes more than ${readMsMax} ms to read`, "a simpler document"))), readMsMax);
      const onAbort = (): void => finish(() => reject(signal.reason));
      const onReply = (reply: ReadingReply): void => finish(() => resolve(reply));
      const onError = (error: Error): void => finish(() => reject(this.#lost(error)));
      const onExit = (): void => finish(() => reject(serviceUnavailable("The document reader stopped")));
      const finish = (settle: () => void): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
        worker.off("message", onReply).off("error", onError).off("exit", onExit);
        settle();
      };
      signal.addEventListener("abort", onAbort, { once: true });
      worker.on("message", onReply).on("error", onError).on("exit", onExit);
      worker.postMessage(task, []);
    });
  }

  #lost(error: Error): BulkheadError {
    if ((error as NodeJS.ErrnoException).code === "ERR_WORKER_OUT_OF_MEMORY") {
      return badUserInput("content", "a document that takes too much memory to read", `one that is read within ${this.limits.heapMbMax} MB`);
    }
    return internal("The document reader failed", error);
  }

  async #putBack(worker: Worker, reusable: boolean): Promise<void> {
    if (!reusable || this.#closed || this.#idle.length >= idleThreadsMax) {
      await worker.terminate();
      return;
    }
    worker.unref();
    this.#idle.push(worker);
  }

  #start(): Worker {
    const worker = startWorker(import.meta.url, `./${this.file}`, { name: "document-reader", limits: { maxOldGenerationSizeMb: this.limits.heapMbMax } });
    // A thread that fails between two documents fails nobody's; without a listener it would end the process.
    worker.on("error", () => undefined);
    worker.on("exit", () => {
      const index = this.#idle.indexOf(worker);
      if (index >= 0) this.#idle.splice(index, 1);
    });
    return worker;
  }
}

function chunksOf(reply: ReadingReply): readonly PreparedChunk[] {
  switch (reply.kind) {
    case "DONE":
      return reply.chunks;
    case "UNREADABLE":
      throw badUserInput("content", reply.got, reply.expected);
    case "FAILED":
      throw internal("The document reader failed", reply.message);
  }
}
