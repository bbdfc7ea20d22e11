/**
 * A `TenantStore` in memory, for tests of what lies above storage. Behaves as the port says, without
 * fences and pages; it is no model of how the real stores work.
 */
import { createHash } from "node:crypto";
import { conflict, limitExceeded, notFound } from "../../src/kernel/errors.js";
import type { ChunkId, DocumentId, TenantId } from "../../src/kernel/ids.js";
import type { AdapterStore, FeedbackStore } from "../../src/storage/adapter-rows.js";
import type { SearchFilter } from "../../src/storage/narrowing-filter.js";
import type { ChunkStore, ConversationStore, DocumentRow, DocumentStore, IdempotencyStore, NewChunk, TenantStore } from "../../src/storage/tenant-store.js";
import type { HomeKind } from "../../src/tenancy/tier-policy.js";

type MemoryChunk = NewChunk & { readonly documentId: DocumentId };

export class MemoryTenantStore implements TenantStore {
  readonly rows = new Map<DocumentId, DocumentRow>();
  readonly raws = new Map<DocumentId, Uint8Array>();
  readonly stored = new Map<ChunkId, MemoryChunk>();
  revision = 0;
  /** How often the text leg counted a term. */
  counted = 0;
  /** Published versions are found by search only after this many questions for it, as on Atlas. */
  searchableAfter = 0;
  /** Called with the name of every write before it happens: throw to make it fail. */
  beforeWrite: (name: string, id: DocumentId) => void = () => undefined;

  constructor(
    readonly tenantId: TenantId,
    readonly home: HomeKind = "POOL",
  ) {}

  readonly documents: DocumentStore = {
    add: async (document, caps) => {
      this.beforeWrite("add", document.id);
      if (this.rows.size >= caps.maxDocuments) throw limitExceeded("maxDocuments", String(this.rows.size + 1), String(caps.maxDocuments));
      const { raw, ...fields } = document;
      const row: DocumentRow = {
        ...fields,
        tenantId: this.tenantId,
        state: "PENDING",
        bytes: raw.byteLength,
        chunkCount: 0,
        version: 0,
        contentSha256: createHash("sha256").update(raw).digest("hex"),
        createdAt: new Date(),
        updatedAt: new Date(),
      };
      this.rows.set(document.id, row);
      this.raws.set(document.id, raw);
      return row;
    },
    get: async (id) => this.rows.get(id),
    getMany: async (ids) => ids.map((id) => this.rows.get(id)),
    page: async ({ first }) => ({ items: [...this.rows.values()].slice(0, first).map((item) => ({ item, cursor: item.id })), hasNextPage: this.rows.size > first }),
    unfinished: async (limit) => [...this.rows.values()].filter(({ state }) => state === "PENDING" || state === "INDEXING").slice(0, limit),
    raw: async (id) => this.raws.get(id),
    publish: async (id, chunks, _embedding, caps) => {
      this.beforeWrite("publish", id);
      const row = this.rows.get(id);
      if (row === undefined) throw notFound("Document");
      if (chunks.length > caps.maxChunks) throw limitExceeded("maxChunks", String(chunks.length), String(caps.maxChunks));
      this.#removeChunks(id);
      for (const chunk of chunks) this.stored.set(chunk.id, { ...chunk, documentId: id });
      this.revision += 1;
      return this.#change(id, { state: "INDEXING", version: row.version + 1, chunkCount: chunks.length });
    },
    markReady: async (id, version) => {
      this.beforeWrite("markReady", id);
      const row = this.rows.get(id);
      if (row?.state === "INDEXING" && row.version === version) {
        this.revision += 1;
        this.#change(id, { state: "READY" });
      }
    },
    markFailed: async (id, failure) => {
      this.beforeWrite("markFailed", id);
      if (this.rows.has(id)) this.#change(id, { state: "FAILED", failure });
    },
    retry: async (id) => {
      const row = this.rows.get(id);
      if (row === undefined) throw notFound("Document");
      if (row.state !== "FAILED") throw conflict(`The document is ${row.state}`);
      return this.#change(id, { state: "PENDING" });
    },
    remove: async (id) => {
      this.#removeChunks(id);
      this.raws.delete(id);
      this.revision += 1;
      return this.rows.delete(id);
    },
    totals: async () => ({ documents: this.rows.size, chunks: this.stored.size, bytes: [...this.raws.values()].reduce((sum, raw) => sum + raw.byteLength, 0) }),
  };

  readonly chunks: ChunkStore = {
    nearest: async (vector, limit, filter) =>
      this.#matching(filter)
        .map((chunk) => ({ chunk: this.#row(chunk), score: (1 + chunk.vector.reduce((sum, value, i) => sum + value * (vector[i] ?? 0), 0)) / 2 }))
        .toSorted((a, b) => b.score - a.score)
        .slice(0, limit),
    termFrequencies: async (terms) => {
      this.counted += terms.length;
      return new Map(terms.map((term) => [term, [...this.stored.values()].filter((chunk) => chunk.terms.includes(term)).length]));
    },
    withAnyTerm: async (terms, limit, filter) =>
      this.#matching(filter)
        .filter((chunk) => chunk.terms.some((term) => terms.includes(term)))
        .slice(0, limit)
        .map((chunk) => ({ ...this.#row(chunk), terms: chunk.terms, termCounts: chunk.termCounts, length: chunk.length })),
    statistics: async () => {
      const chunks = [...this.stored.values()];
      return { chunks: chunks.length, meanLength: chunks.length === 0 ? 0 : chunks.reduce((sum, chunk) => sum + chunk.length, 0) / chunks.length, revision: this.revision };
    },
    getMany: async (ids) => ids.map((id) => this.stored.get(id)).map((chunk) => (chunk === undefined ? undefined : this.#row(chunk))),
    passage: async (id) => {
      const chunk = this.stored.get(id);
      if (chunk === undefined || this.rows.get(chunk.documentId)?.state !== "READY") return undefined;
      const textAt = (at: number): string | undefined => [...this.stored.values()].find(({ documentId, ordinal }) => documentId === chunk.documentId && ordinal === at)?.text;
      const [before, after] = [textAt(chunk.ordinal - 1), textAt(chunk.ordinal + 1)];
      return { ...this.#row(chunk), ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) };
    },
    isSearchable: async (id, version) => {
      this.searchableAfter -= 1;
      return this.searchableAfter < 0 && this.rows.get(id)?.version === version;
    },
  };

  conversationsOf(): ConversationStore {
    throw new TypeError("MemoryTenantStore has no conversations");
  }

  async sweepConversations(): Promise<number> {
    return 0;
  }

  idempotencyOf(): IdempotencyStore {
    throw new TypeError("MemoryTenantStore has no idempotency keys");
  }

  get adapters(): AdapterStore {
    throw new TypeError("MemoryTenantStore has no adapters");
  }

  feedbackOf(): FeedbackStore {
    throw new TypeError("MemoryTenantStore has no feedback");
  }

  #matching(filter: SearchFilter): readonly MemoryChunk[] {
    return [...this.stored.values()].filter((chunk) => {
      const row = this.rows.get(chunk.documentId);
      const { documentIds, mediaTypes, tags } = filter;
      return (documentIds?.includes(chunk.documentId) ?? true) && (mediaTypes === undefined || (row !== undefined && mediaTypes.includes(row.mediaType))) && (tags?.every((tag) => row?.tags.includes(tag)) ?? true);
    });
  }

  #row({ id, documentId, ordinal, text, headings }: MemoryChunk): { tenantId: TenantId; id: ChunkId; documentId: DocumentId; ordinal: number; text: string; headings: readonly string[] } {
    return { tenantId: this.tenantId, id, documentId, ordinal, text, headings };
  }

  #removeChunks(id: DocumentId): void {
    for (const chunk of this.stored.values()) if (chunk.documentId === id) this.stored.delete(chunk.id);
  }

  #change(id: DocumentId, change: Partial<DocumentRow>): DocumentRow {
    const row = this.rows.get(id);
    if (row === undefined) throw notFound("Document");
    const { failure: _old, ...rest } = row;
    const changed: DocumentRow = { ...(change.state === "FAILED" ? row : rest), ...change, updatedAt: new Date() };
    this.rows.set(id, changed);
    return changed;
  }
}
