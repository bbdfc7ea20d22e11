import { newId, type ChunkId, type DocumentId } from "../../../src/kernel/ids.js";
import { prepareChunks } from "../../../src/retrieval/read/prepared-chunk.js";
import type { EmbeddingModelRef, NewChunk, TenantStore } from "../../../src/storage/tenant-store.js";

const caps = { maxDocuments: Number.MAX_SAFE_INTEGER, maxBytes: Number.MAX_SAFE_INTEGER, maxChunks: Number.MAX_SAFE_INTEGER };

/** The vectors of the texts that stand for the passages in the index, in order. */
export type EmbedTexts = (texts: readonly string[]) => Promise<readonly Float32Array[]>;

/**
 * One document through the store, each of its passages a chunk with the terms and the embedded text
 * that ingestion gives it. The chunks' ids, in the order of `texts`.
 */
export async function publishPassages(store: TenantStore, title: string, texts: readonly string[], embedding: EmbeddingModelRef, embed: EmbedTexts): Promise<readonly ChunkId[]> {
  const prepared = texts.map((text) => {
    const [chunk, second] = prepareChunks(title, { blocks: [{ kind: "TEXT", headings: [], text }] });
    // A question has one right passage: one that were cut in two would have none that is all of it.
    if (chunk === undefined || second !== undefined) throw new TypeError(`retrieval: got a passage of several chunks, expected one: ${text.slice(0, 40)}`);
    return chunk;
  });
  const vectors = await embed(prepared.map(({ embeddedText }) => embeddedText));
  const chunks = prepared.map(({ embeddedText: _embedded, ...chunk }, ordinal): NewChunk => ({ ...chunk, ordinal, id: newId<ChunkId>("chunk"), vector: vectors[ordinal] ?? new Float32Array(0) }));
  const id = newId<DocumentId>("document");
  await store.documents.add({ id, title, mediaType: "text/plain", tags: [], raw: Buffer.from(texts.join("\n\n")) }, caps);
  const { version } = await store.documents.publish(id, chunks, embedding, caps);
  await store.documents.markReady(id, version);
  return chunks.map((chunk) => chunk.id);
}
