import { conflict, internal, notFound } from "../kernel/errors.js";
import type { DocumentId } from "../kernel/ids.js";
import type { TierPolicy } from "../tenancy/tier-policy.js";
import { toDocumentRow } from "./document-row.js";
import { packVector } from "./packed-vector.js";
import type { StoredDocument } from "./rows.js";
import type { StoreParts } from "./store-parts.js";
import type { DocumentRow, EmbeddingModelRef, NewChunk } from "./tenant-store.js";
import { countChunks } from "./totals.js";
import type { WriteTurn } from "./write-turn.js";

/** Document row and totals, besides the chunks. */
const rowsBesides = 2;

export async function publishDocument(
  parts: StoreParts,
  id: DocumentId,
  chunks: readonly NewChunk[],
  embedding: EmbeddingModelRef,
  caps: Pick<TierPolicy, "maxChunks">,
): Promise<DocumentRow> {
  checkEmbedding(parts, chunks, embedding);
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  return parts.write(chunks.length + rowsBesides, async (turn) => {
    const key = parts.scope.key(id);
    const document = await turn.read("documents").findOne({ _id: key });
    if (document === undefined) throw notFound("Document");
    await countChunks(turn, parts.scope, { chunks: document.chunk_count, length: document.length_sum }, { chunks: chunks.length, length }, embedding, caps);
    await replaceChunks(turn, document, id, chunks, embedding);
    const published = await turn.write("documents").update(
      { _id: key, version: document.version },
      {
        // Withdrawn chunks leave a document that is to be read and embedded again.
        set: { state: chunks.length === 0 ? "PENDING" : "INDEXING", version: document.version + 1, chunk_count: chunks.length, length_sum: length, updated_at: new Date(parts.clock.now()) },
        unset: ["failure"],
      },
    );
    if (published === undefined) throw internal("A document changed inside the transaction that read it");
    return toDocumentRow(parts.scope, published);
  });
}

async function replaceChunks(turn: WriteTurn, document: StoredDocument, id: DocumentId, chunks: readonly NewChunk[], embedding: EmbeddingModelRef): Promise<void> {
  const removed = await turn.write("chunks").removeMany({ document_id: id });
  if (removed > 0) await turn.bury({ collection: "chunks", field: "document_id", value: id });
  await turn.write("chunks").insert(
    chunks.map((chunk) => ({
      id: chunk.id,
      document_id: id,
      version: document.version + 1,
      ordinal: chunk.ordinal,
      text: chunk.text,
      headings: [...chunk.headings],
      media_type: document.media_type,
      tags: [...document.tags],
      vector: packVector(chunk.vector),
      terms: [...chunk.terms],
      term_counts: [...chunk.termCounts],
      length: chunk.length,
      embedding_model: embedding.model,
    })),
  );
}

/** A vector of another length would be stored and never found: the index skips it without a word. */
function checkEmbedding(parts: StoreParts, chunks: readonly NewChunk[], embedding: EmbeddingModelRef): void {
  if (embedding.model !== parts.embedding.model || embedding.dimensions !== parts.embedding.dimensions) {
    throw conflict(`The index is made for ${parts.embedding.model} (${parts.embedding.dimensions} dimensions), not for ${embedding.model} (${embedding.dimensions})`);
  }
  const wrong = chunks.find((chunk) => chunk.vector.length !== embedding.dimensions);
  if (wrong !== undefined) throw conflict(`A chunk's vector has ${wrong.vector.length} dimensions, expected ${embedding.dimensions}`);
}
