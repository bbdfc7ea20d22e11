import { newId, type ChunkId, type DocumentId } from "../../src/kernel/ids.js";
import type { CachePartition } from "../../src/memory/cache-partition.js";
import type { CachedAnswer, CacheQuestion } from "../../src/memory/semantic-cache.js";
import { contextOf } from "../metering/spend-fixtures.js";

export function cachedAnswer(text: string, documentId = newId<DocumentId>("document")): CachedAnswer {
  return { text, citations: [{ documentId, chunkId: newId<ChunkId>("chunk"), snippet: text, score: 1 }], documents: [{ id: documentId, version: 1 }] };
}

export function partitionOf(more: Partial<CachePartition> = {}): CachePartition {
  return { context: contextOf(), model: "m", maxTokens: 512, promptVersion: 1, index: { epoch: 1, revision: 1 }, ...more };
}

/** All questions of a test have one vector unless told otherwise: what keeps them apart must not be the vector. */
export function asked(text: string, more: Partial<CachePartition> = {}, vector = new Float32Array([1, 0])): CacheQuestion {
  return { partition: partitionOf(more), text, vector };
}
