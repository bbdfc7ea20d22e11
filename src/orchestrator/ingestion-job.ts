import { setTimeout as sleep } from "node:timers/promises";
import type { LazyTokenCounter } from "../inference/token-counter.js";
import { Deadline } from "../kernel/deadline.js";
import { BulkheadError, badUserInput, internal, notFound, serviceUnavailable, upstreamFailed } from "../kernel/errors.js";
import { newId, type ChunkId, type DocumentId } from "../kernel/ids.js";
import { isRefusal, type Refusal } from "../kernel/refusal.js";
import type { Telemetry } from "../kernel/telemetry.js";
import type { Door } from "../metering/door.js";
import type { Embedder } from "../retrieval/embedder.js";
import type { DocumentReader } from "../retrieval/read/document-reader.js";
import type { PreparedChunk } from "../retrieval/read/prepared-chunk.js";
import type { TenantRouter } from "../routing/tenant-router.js";
import type { DocumentRow, NewChunk } from "../storage/tenant-store.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import { batchAt, type EmbeddingBatch } from "./embedding-batch.js";
import type { FairTurns } from "./fair-turns.js";

export interface IngestionTools {
  readonly router: Pick<TenantRouter, "read" | "write">;
  readonly reader: Pick<DocumentReader, "prepare">;
  readonly embedder: Embedder;
  readonly door: Pick<Door, "run">;
  readonly counter: Pick<LazyTokenCounter, "load" | "count">;
  readonly telemetry: Telemetry;
  /** One turn for each heavy step. */
  readonly turns: FairTurns;
}

/** One store operation, with room for a placement move that makes writes wait. */
const storeMsMax = 60_000;
/** Reading has its own limit of 30 s; this adds the wait for the thread. */
const readMsMax = 60_000;
/** 32 texts of two windows at 100 ms on a busy core, and its turn at the shared pool. */
const embedMsMax = 60_000;
/** Atlas shows new vectors within seconds; an index that is being built may take minutes. */
const searchableMsMax = 300_000;
const searchablePollMsMin = 10;
const searchablePollMsMax = 1_000;
/** When a refusal does not say how long. */
const refusedPauseMs = 1_000;

/** One document on its way to `READY`. Keeps what is done, so that a further try does not pay for it again. */
export class IngestionJob {
  #chunks: readonly PreparedChunk[] | undefined;
  readonly #vectors: Float32Array[] = [];
  #calls = 0;

  constructor(
    private readonly tools: IngestionTools,
    readonly id: DocumentId,
    private readonly stop: AbortSignal,
    private readonly onChange: () => void,
  ) {}

  /** Throws what the steps throw; `NOT_FOUND` when the document was removed meanwhile. */
  async run(context: TenantContext): Promise<"READY"> {
    const row = await this.#row(context);
    // Its chunks were published before a crash: only the index is to be waited for.
    const published = row.state === "INDEXING" ? row : await this.#publish(context, row);
    this.onChange();
    await this.#untilSearchable(context, published.version);
    await this.#write(context, "markReady", (documents) => documents.markReady(this.id, published.version));
    return "READY";
  }

  async fail(context: TenantContext, failure: { code: string; message: string }): Promise<void> {
    await this.#write(context, "markFailed", (documents) => documents.markFailed(this.id, failure));
  }

  /** Rejects when the server shuts down. */
  async pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.stop }).catch(() => this.stop.throwIfAborted());
  }

  async #row(context: TenantContext): Promise<DocumentRow> {
    const row = await this.#within(storeMsMax, (deadline) => this.tools.router.read(context, deadline, (store) => store.documents.get(this.id)));
    if (row === undefined || row.state === "READY") throw notFound("Document");
    return row;
  }

  async #publish(context: TenantContext, row: DocumentRow): Promise<DocumentRow> {
    this.#chunks ??= await this.#read(context, row);
    const prepared = this.#chunks;
    while (this.#vectors.length < prepared.length) await this.#embedNext(context, prepared);
    const { model, dimensions } = this.tools.embedder;
    const chunks = prepared.map((chunk, index) => newChunk(chunk, this.#vectors[index]));
    return this.#inTurn(context, () => this.#write(context, "publish", (documents) => documents.publish(this.id, chunks, { model, dimensions }, context.policy)));
  }

  async #read(context: TenantContext, row: DocumentRow): Promise<readonly PreparedChunk[]> {
    const raw = await this.#within(storeMsMax, (deadline) => this.tools.router.read(context, deadline, (store) => store.documents.raw(this.id)));
    if (raw === undefined) throw notFound("Document");
    const chunks = await this.#inTurn(context, () =>
      this.#within(readMsMax, (deadline) => this.tools.reader.prepare(row.title, raw, row.mediaType, deadline.signal)),
    );
    // Never an empty document that counts as ready: whoever asks about it must not be answered from elsewhere.
    if (chunks.length === 0) throw badUserInput("content", "a document without text", "text that can be searched");
    const { maxChunks } = context.policy;
    // Told now, since embedding what cannot be published would be paid for nothing.
    if (chunks.length > maxChunks) throw new BulkheadError("LIMIT_EXCEEDED", `maxChunks: got ${chunks.length}, expected at most ${maxChunks}`, { limit: "maxChunks" });
    return chunks;
  }

  async #embedNext(context: TenantContext, chunks: readonly PreparedChunk[]): Promise<void> {
    // Before each batch: a document of hours must not go on spending for a tenant that was suspended, or once it was deleted.
    await this.#row(context);
    await this.tools.counter.load();
    const batch = batchAt(chunks, this.#vectors.length, context.policy.tokensPerMinute, (text) => this.tools.counter.count(text));
    const embedded = await this.#inTurn(context, () => this.#embed(context, batch));
    if (!isRefusal(embedded)) this.#vectors.push(...embedded);
    // Outside the turn: a tenant that has spent its minute holds up nobody else.
    else await this.#waitOut(embedded);
  }

  #embed(context: TenantContext, batch: EmbeddingBatch): Promise<readonly Float32Array[] | Refusal> {
    const { door, embedder } = this.tools;
    const call = {
      kind: "EMBEDDING",
      operation: "ingestDocument",
      model: embedder.model,
      path: `ingest.${this.id}`,
      callNumber: this.#calls,
      reserveTokens: batch.reserveTokens,
      workClass: "INGEST",
    } as const;
    this.#calls += 1;
    return this.#within(embedMsMax, (deadline) =>
      door.run(context, deadline, call, async (signal) => {
        const { vectors, tokens } = await embedder.embed(batch.texts, "INGEST", signal);
        if (vectors.length !== batch.texts.length) throw internal(`The embedder gave ${vectors.length} vectors for ${batch.texts.length} texts`);
        return { value: vectors, usage: { promptTokens: tokens, completionTokens: 0 } };
      }),
    );
  }

  async #waitOut(refused: Refusal): Promise<void> {
    if (refused.code !== "RATE_LIMITED" && refused.code !== "OVERLOADED") throw new BulkheadError(refused.code, refused.message);
    this.tools.telemetry.count("ingestion_waits_total", { code: refused.code });
    await this.pause(Math.max(refused.retryAfterMs ?? refusedPauseMs, searchablePollMsMin));
  }

  /** A document is ready when search returns it, and not when it is stored: an index may lag behind. */
  async #untilSearchable(context: TenantContext, version: number): Promise<void> {
    const until = performance.now() + searchableMsMax;
    let pauseMs = searchablePollMsMin;
    for (;;) {
      const searchable = await this.#within(storeMsMax, (deadline) =>
        this.tools.router.read(context, deadline, async (store) => {
          if ((await store.documents.get(this.id)) === undefined) throw notFound("Document");
          return store.chunks.isSearchable(this.id, version);
        }),
      );
      if (searchable) return;
      if (performance.now() > until) throw upstreamFailed(`The search index did not show the document within ${searchableMsMax} ms`);
      await this.pause(pauseMs);
      pauseMs = Math.min(pauseMs * 1.5, searchablePollMsMax);
    }
  }

  #inTurn<T>(context: TenantContext, step: () => Promise<T>): Promise<T> {
    return this.tools.turns.run(context.tenantId, this.stop, step);
  }

  async #write<T>(context: TenantContext, step: string, work: (documents: DocumentWrites) => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    const result = await this.#within(storeMsMax, (deadline) => this.tools.router.write(context, deadline, (store) => work(store.documents)));
    this.tools.telemetry.observe("ingestion_write_ms", performance.now() - startedAt, { step });
    return result;
  }

  /** A deadline of its own for each step: a document of an hour's embedding must not fail as a whole for being long. */
  async #within<T>(limitMs: number, step: (deadline: Deadline) => Promise<T>): Promise<T> {
    this.stop.throwIfAborted();
    const deadline = Deadline.after(limitMs);
    const onStop = (): void => deadline.abort(serviceUnavailable("The server is shutting down"));
    this.stop.addEventListener("abort", onStop, { once: true });
    try {
      return await step(deadline);
    } finally {
      this.stop.removeEventListener("abort", onStop);
      deadline.dispose();
    }
  }
}

type DocumentWrites = Parameters<Parameters<TenantRouter["write"]>[2]>[0]["documents"];

function newChunk(chunk: PreparedChunk, vector: Float32Array | undefined): NewChunk {
  if (vector === undefined) throw internal("A chunk has no vector");
  const { ordinal, text, headings, terms, termCounts, length } = chunk;
  return { id: newId<ChunkId>("chunk"), ordinal, text, headings, vector, terms, termCounts, length };
}
