import { conflict } from "../kernel/errors.js";
import type { ChunkId, DocumentId } from "../kernel/ids.js";
import type { SearchFilter } from "./narrowing-filter.js";
import type { StoredChunk } from "./rows.js";
import type { Narrowing, Scope } from "./scope.js";
import { blobField } from "./sealing/sealed-fields.js";
import { withAllForms } from "./sealing/with-all-forms.js";
import type { StoreParts } from "./store-parts.js";
import type { ChunkRow, ChunkStore, PassageRow, ScoredChunk, TermMatch } from "./tenant-store.js";
import { totalsFilter } from "./totals.js";

/** As `schema/collections/tenant.chunks.json` names it. */
const vectorIndex = "chunk_vectors";
/** Most results one vector search returns, also to `isSearchable`. */
const resultsMax = 1_000;
/** Fields that no reader of passages needs; a vector alone is 2 KB. */
const heavyFields = ["vector", "terms", "term_counts"] as const;

export class ScopedChunkStore implements ChunkStore {
  constructor(private readonly parts: StoreParts) {}

  async nearest(vector: Float32Array, limit: number, filter: SearchFilter): Promise<readonly ScoredChunk[]> {
    // No document is in an empty list. A vector search refuses one; leaving it out would search all documents.
    if (filter.documentIds?.length === 0 || filter.mediaTypes?.length === 0) return [];
    const [found] = await Promise.all([
      this.parts.read("chunks").nearest(vectorIndex, "vector", vector, Math.min(limit, resultsMax), vectorNarrowing(filter), heavyFields),
      this.#checkModel(),
    ]);
    return found.map(({ row, score }) => ({ chunk: toChunkRow(this.parts.scope, row), score }));
  }

  async termFrequencies(terms: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const distinct = [...new Set(terms)];
    const chunks = this.parts.read("chunks");
    const counts = await withAllForms(this.parts, distinct, (forms, atOnce) => Promise.all(forms.map((of) => chunks.count({ terms: anyOf(of) }, { atOnce }))));
    return new Map(distinct.map((term, index) => [term, counts[index] ?? 0]));
  }

  async withAnyTerm(terms: readonly string[], limit: number, filter: SearchFilter): Promise<readonly TermMatch[]> {
    if (terms.length === 0 || limit < 1) return [];
    const rows = await withAllForms(this.parts, terms, (forms, atOnce) =>
      this.parts.read("chunks").find({ terms: anyOf(forms.flat()), ...narrowing(filter) }, { limit, without: ["vector"], atOnce }),
    );
    return rows.map((row) => ({ ...toChunkRow(this.parts.scope, row), terms: row.terms, termCounts: row.term_counts, length: row.length }));
  }

  async statistics(): Promise<{ readonly chunks: number; readonly meanLength: number; readonly revision: number }> {
    const totals = await this.parts.read("totals").findOne(totalsFilter(this.parts.scope));
    if (totals === undefined) return { chunks: 0, meanLength: 0, revision: 0 };
    return { chunks: totals.chunks, meanLength: totals.chunks === 0 ? 0 : totals.length_sum / totals.chunks, revision: totals.revision };
  }

  async getMany(ids: readonly ChunkId[]): Promise<readonly (ChunkRow | undefined)[]> {
    const { scope } = this.parts;
    const found = await this.parts.read("chunks").find({ _id: { $in: ids.map((id) => scope.key(id)) } }, { without: heavyFields });
    const rows = new Map(found.map((row) => [row._id, toChunkRow(scope, row)]));
    return ids.map((id) => rows.get(scope.key(id)));
  }

  async passage(id: ChunkId): Promise<PassageRow | undefined> {
    const { scope } = this.parts;
    const chunks = this.parts.read("chunks");
    const stored = await chunks.findOne({ _id: scope.key(id) }, { without: heavyFields });
    if (stored === undefined) return undefined;
    const { document_id, version, ordinal } = stored;
    const neighbours = await chunks.find({ document_id, version, ordinal: { $in: [ordinal - 1, ordinal + 1] } }, { without: heavyFields });
    // Read last: if the version still stands now, its neighbours were all there a moment ago.
    const document = await this.parts.read("documents").findOne({ _id: scope.key(document_id) });
    if (document?.state !== "READY" || document.version !== version) return undefined;
    const textAt = (at: number): string | undefined => neighbours.find((row) => row.ordinal === at)?.text;
    const [before, after] = [textAt(ordinal - 1), textAt(ordinal + 1)];
    return { ...toChunkRow(scope, stored), ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) };
  }

  async isSearchable(documentId: DocumentId, version: number): Promise<boolean> {
    const document = await this.parts.read("documents").findOne({ _id: this.parts.scope.key(documentId) });
    if (document === undefined || document.version !== version) return false;
    if (document.chunk_count === 0) return true;
    const [last] = await this.parts.read("chunks").find({ document_id: documentId, version }, { sort: { ordinal: -1 }, limit: 1, without: ["terms", "term_counts", "text", "headings", blobField] });
    if (last === undefined) return false;
    const limit = Math.min(document.chunk_count, resultsMax);
    const found = await this.parts
      .read("chunks")
      .nearest(vectorIndex, "vector", last.vector.toFloat32Array(), limit, { document_id: documentId }, [...heavyFields, "text", "headings", blobField]);
    // A document that repeats itself may have more chunks as near as the last one than fit: then all that fit are of this version.
    return found.some(({ row }) => row._id === last._id) || (found.length === resultsMax && found.every(({ row }) => row.version === version));
  }

  /**
   * Vectors of two models share no space: comparing them gives passages that look like answers. A
   * tenant whose chunks wait to be embedded anew is told so.
   */
  async #checkModel(): Promise<void> {
    const totals = await this.parts.read("totals").findOne(totalsFilter(this.parts.scope));
    const { model, dimensions } = this.parts.embedding;
    if (totals === undefined || totals.chunks === 0 || totals.embedding_model === undefined) return;
    if (totals.embedding_model === model && totals.embedding_dimensions === dimensions) return;
    throw conflict(`The tenant's chunks were made with ${totals.embedding_model}, the server embeds with ${model}: the documents must be ingested again`);
  }
}

function toChunkRow(scope: Scope, stored: Pick<StoredChunk, "_id" | "document_id" | "ordinal" | "text" | "headings">): ChunkRow {
  return {
    tenantId: scope.tenantId,
    id: scope.id(stored._id) as ChunkId,
    documentId: stored.document_id as DocumentId,
    ordinal: stored.ordinal,
    text: stored.text,
    headings: stored.headings,
  };
}

/** One value alone is asked for as such: a list of one would keep an index from being read in order. */
function anyOf(forms: readonly string[]): unknown {
  return forms.length === 1 ? forms[0] : { $in: forms };
}

function narrowing(filter: SearchFilter): Narrowing {
  return {
    ...(filter.documentIds === undefined ? {} : { document_id: { $in: filter.documentIds } }),
    ...(filter.mediaTypes === undefined ? {} : { media_type: { $in: filter.mediaTypes } }),
    ...(filter.tags === undefined || filter.tags.length === 0 ? {} : { tags: { $all: filter.tags } }),
  };
}

/** The same in the few operators that a vector search's filter knows: `$all` is not among them. */
function vectorNarrowing(filter: SearchFilter): Narrowing {
  const { tags, ...rest } = filter;
  return {
    ...narrowing(rest),
    ...(tags === undefined || tags.length === 0 ? {} : { $and: tags.map((tag) => ({ tags: { $eq: tag } })) }),
  };
}
