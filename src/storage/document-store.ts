import { decompress } from "@mongodb-js/zstd";
import type { DocumentId } from "../kernel/ids.js";
import type { Page, PageRequest } from "../kernel/page.js";
import type { TierPolicy } from "../tenancy/tier-policy.js";
import { addDocument } from "./add-document.js";
import { toDocumentRow } from "./document-row.js";
import type { DocumentFilter } from "./narrowing-filter.js";
import { newestFirstSort, olderThan } from "./newest-first.js";
import { checkPageRequest, pageOf } from "./page-cursor.js";
import { publishDocument } from "./publish-document.js";
import { removeDocument } from "./remove-document.js";
import { retryDocument } from "./retry-document.js";
import type { Narrowing } from "./scope.js";
import type { StoreParts } from "./store-parts.js";
import type { DocumentRow, DocumentStore, EmbeddingModelRef, NewChunk, NewDocument } from "./tenant-store.js";
import { countReady, totalsFilter } from "./totals.js";

export class ScopedDocumentStore implements DocumentStore {
  constructor(private readonly parts: StoreParts) {}

  add(document: NewDocument, caps: Pick<TierPolicy, "maxDocuments" | "maxBytes">): Promise<DocumentRow> {
    return addDocument(this.parts, document, caps);
  }

  publish(id: DocumentId, chunks: readonly NewChunk[], embedding: EmbeddingModelRef, caps: Pick<TierPolicy, "maxChunks">): Promise<DocumentRow> {
    return publishDocument(this.parts, id, chunks, embedding, caps);
  }

  retry(id: DocumentId): Promise<DocumentRow> {
    return retryDocument(this.parts, id);
  }

  remove(id: DocumentId): Promise<boolean> {
    return removeDocument(this.parts, id);
  }

  async get(id: DocumentId): Promise<DocumentRow | undefined> {
    const stored = await this.parts.read("documents").findOne({ _id: this.parts.scope.key(id) });
    return stored === undefined ? undefined : toDocumentRow(this.parts.scope, stored);
  }

  async getMany(ids: readonly DocumentId[]): Promise<readonly (DocumentRow | undefined)[]> {
    const { scope } = this.parts;
    const found = await this.parts.read("documents").find({ _id: { $in: ids.map((id) => scope.key(id)) } });
    const rows = new Map(found.map((stored) => [stored._id, toDocumentRow(scope, stored)]));
    return ids.map((id) => rows.get(scope.key(id)));
  }

  async page(request: PageRequest, filter: DocumentFilter): Promise<Page<DocumentRow>> {
    const { scope } = this.parts;
    const { first, after } = checkPageRequest(request);
    const rows = await this.parts.read("documents").find({ ...narrowing(filter), ...olderThan(scope, after) }, { sort: newestFirstSort, limit: first + 1 });
    return pageOf(rows, first, (row) => toDocumentRow(scope, row), (row) => ({ order: row.created_at.getTime(), id: scope.id(row._id) }));
  }

  async unfinished(limit: number): Promise<readonly DocumentRow[]> {
    const rows = await this.parts.read("documents").find({ state: { $in: ["PENDING", "INDEXING"] } }, { sort: newestFirstSort, limit });
    return rows.map((row) => toDocumentRow(this.parts.scope, row));
  }

  async raw(id: DocumentId): Promise<Uint8Array | undefined> {
    const stored = await this.parts.read("raw_documents").findOne({ _id: this.parts.scope.key(id) });
    return stored === undefined ? undefined : decompress(Buffer.from(stored.zstd.buffer));
  }

  /** Changes nothing when the document was removed or published again meanwhile: this version is of no interest then. */
  async markReady(id: DocumentId, version: number): Promise<void> {
    await this.parts.write(2, async (turn) => {
      const ready = await turn.write("documents").update({ _id: this.parts.scope.key(id), version, state: "INDEXING" }, { set: { state: "READY", updated_at: this.#now() } });
      if (ready !== undefined) await countReady(turn, this.parts.scope);
    });
  }

  /** Changes nothing when the document was removed, or became `READY`, meanwhile. */
  async markFailed(id: DocumentId, failure: { code: string; message: string }): Promise<void> {
    await this.parts.write(1, (turn) =>
      turn.write("documents").update(
        { _id: this.parts.scope.key(id), state: { $in: ["PENDING", "INDEXING"] } },
        { set: { state: "FAILED", failure: { code: failure.code, message: failure.message }, updated_at: this.#now() } },
      ),
    );
  }

  async totals(): ReturnType<DocumentStore["totals"]> {
    const totals = await this.parts.read("totals").findOne(totalsFilter(this.parts.scope));
    // The row remembers the model of chunks that are gone; that binds nobody any more.
    const { embedding_model: model, embedding_dimensions: dimensions } = totals === undefined || totals.chunks === 0 ? {} : totals;
    return {
      documents: totals?.documents ?? 0,
      chunks: totals?.chunks ?? 0,
      bytes: totals?.bytes ?? 0,
      ...(model === undefined || dimensions === undefined ? {} : { embedding: { model, dimensions } }),
    };
  }

  #now(): Date {
    return new Date(this.parts.clock.now());
  }
}

function narrowing(filter: DocumentFilter): Narrowing {
  return {
    ...(filter.mediaTypes === undefined ? {} : { media_type: { $in: filter.mediaTypes } }),
    ...(filter.tags === undefined || filter.tags.length === 0 ? {} : { tags: { $all: filter.tags } }),
    ...(filter.states === undefined ? {} : { state: { $in: filter.states } }),
    ...(filter.titleContains === undefined ? {} : { title: { $regex: literal(filter.titleContains), $options: "i" } }),
  };
}

/** A title is searched for as text: no character of the caller's may act as a pattern. */
function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
