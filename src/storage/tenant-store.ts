/**
 * What one tenant's data can be asked and told. A `TenantStore` is bound to its tenant when it is
 * made; no method takes a tenant id, and a caller's filter can only narrow. Before it comes
 * `routing/`, which picks the home; after it the mongodb driver.
 */
import type { ChunkId, ConversationId, DocumentId, TenantId, UserId } from "../kernel/ids.js";
import type { Page, PageRequest } from "../kernel/page.js";
import type { AdapterStore, FeedbackStore } from "./adapter-rows.js";
import type { DocumentFilter, SearchFilter } from "./narrowing-filter.js";
import type { HomeKind, TierPolicy } from "../tenancy/tier-policy.js";

export interface TenantStore {
  readonly tenantId: TenantId;
  readonly home: HomeKind;
  readonly documents: DocumentStore;
  readonly chunks: ChunkStore;
  conversationsOf(userId: UserId): ConversationStore;
  /** Removes at most `limit` conversations, of all users, that the tier does not keep any longer; how many. */
  sweepConversations(limit: number): Promise<number>;
  idempotencyOf(userId: UserId): IdempotencyStore;
  readonly adapters: AdapterStore;
  feedbackOf(userId: UserId): FeedbackStore;
}

/** Every row that leaves a store carries the tenant it belongs to: the third wall compares it again. */
export interface TenantOwned {
  readonly tenantId: TenantId;
}

export type MediaType = "text/plain" | "text/markdown" | "text/html" | "application/pdf";
export type DocumentState = "PENDING" | "INDEXING" | "READY" | "FAILED";

export interface DocumentRow extends TenantOwned {
  readonly id: DocumentId;
  readonly title: string;
  readonly mediaType: MediaType;
  readonly tags: readonly string[];
  readonly state: DocumentState;
  /** Why the document is `FAILED`: a code of the error catalogue and its message. */
  readonly failure?: { readonly code: string; readonly message: string };
  /** Size of the raw document. */
  readonly bytes: number;
  readonly chunkCount: number;
  /** The version whose chunks are visible; 0 while none is. */
  readonly version: number;
  readonly contentSha256: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export interface NewDocument {
  readonly id: DocumentId;
  readonly title: string;
  readonly mediaType: MediaType;
  readonly tags: readonly string[];
  /** The document as it was received; kept zstd-compressed. */
  readonly raw: Uint8Array;
}

export interface NewChunk {
  readonly id: ChunkId;
  readonly ordinal: number;
  readonly text: string;
  readonly headings: readonly string[];
  readonly vector: Float32Array;
  /** The chunk's distinct stemmed terms and how often each occurs, in the same order. */
  readonly terms: readonly string[];
  readonly termCounts: readonly number[];
  /** Number of terms with repetition: the length that BM25 normalises by. */
  readonly length: number;
}

export interface ChunkRow extends TenantOwned {
  readonly id: ChunkId;
  readonly documentId: DocumentId;
  readonly ordinal: number;
  readonly text: string;
  readonly headings: readonly string[];
}

/** A passage where it stands; `before` and `after` are the texts of its neighbours, absent at the document's ends. */
export type PassageRow = ChunkRow & { readonly before?: string; readonly after?: string };

export type TermMatch = ChunkRow & Pick<NewChunk, "terms" | "termCounts" | "length">;
export interface ScoredChunk { readonly chunk: ChunkRow; readonly score: number }

/** The embedding that chunks were made with. Mixing models or dimensions in one index is refused. */
export interface EmbeddingModelRef { readonly model: string; readonly dimensions: number }

export interface DocumentStore {
  /**
   * Adds the row, state `PENDING`, and the raw document, counting both against the caps in the same
   * transaction. Throws `LIMIT_EXCEEDED`; nothing is written then.
   */
  add(document: NewDocument, caps: Pick<TierPolicy, "maxDocuments" | "maxBytes">): Promise<DocumentRow>;
  get(id: DocumentId): Promise<DocumentRow | undefined>;
  /** In the order of `ids`; foreign and missing ids alike give undefined. For DataLoader. */
  getMany(ids: readonly DocumentId[]): Promise<readonly (DocumentRow | undefined)[]>;
  page(request: PageRequest, filter: DocumentFilter): Promise<Page<DocumentRow>>;
  /** Newest first; cheap enough to be called at start and after a crash. */
  unfinished(limit: number): Promise<readonly DocumentRow[]>;
  raw(id: DocumentId): Promise<Uint8Array | undefined>;
  /**
   * Replaces the document's chunks by a new version in one transaction: all of them or none.
   * State becomes `INDEXING`, or `PENDING` when no chunks are left. Throws `NOT_FOUND`, `LIMIT_EXCEEDED` (chunks of the tier), or
   * `CONFLICT` when the store's chunks were made with another model.
   */
  publish(id: DocumentId, chunks: readonly NewChunk[], embedding: EmbeddingModelRef, caps: Pick<TierPolicy, "maxChunks">): Promise<DocumentRow>;
  markReady(id: DocumentId, version: number): Promise<void>;
  markFailed(id: DocumentId, failure: { code: string; message: string }): Promise<void>;
  /** `FAILED` to `PENDING`. Throws `NOT_FOUND`, or `CONFLICT` in any other state. */
  retry(id: DocumentId): Promise<DocumentRow>;
  /** Removes row, raw document, chunks, vectors and terms in one transaction. False when there is none. */
  remove(id: DocumentId): Promise<boolean>;
  /** `embedding` is what the chunks were made with; absent while there are none. */
  totals(): Promise<{ readonly documents: number; readonly chunks: number; readonly bytes: number; readonly embedding?: EmbeddingModelRef }>;
}

export interface ChunkStore {
  /** Best first, scores in 0..1 as Atlas's cosine: (1 + cos) / 2. */
  nearest(vector: Float32Array, limit: number, filter: SearchFilter): Promise<readonly ScoredChunk[]>;
  /** How many of the tenant's chunks contain each term. */
  termFrequencies(terms: readonly string[]): Promise<ReadonlyMap<string, number>>;
  /** Chunks that contain any of `terms`, at most `limit`. */
  withAnyTerm(terms: readonly string[], limit: number, filter: SearchFilter): Promise<readonly TermMatch[]>;
  /** Number of chunks and mean length, for BM25. `revision` grows whenever a document is published, becomes searchable or is removed. */
  statistics(): Promise<{ readonly chunks: number; readonly meanLength: number; readonly revision: number }>;
  getMany(ids: readonly ChunkId[]): Promise<readonly (ChunkRow | undefined)[]>;
  /** Undefined unless it belongs to the present version of a document that is `READY`. */
  passage(id: ChunkId): Promise<PassageRow | undefined>;
  /** Whether vector search already returns the last chunk of this version: Atlas indexes with a delay. */
  isSearchable(documentId: DocumentId, version: number): Promise<boolean>;
}

/** What takes the place of a conversation's first `turns` turns where it is too long to be read whole. */
export interface ConversationSummary {
  readonly text: string;
  readonly turns: number;
}
export interface ConversationRow extends TenantOwned {
  readonly id: ConversationId;
  readonly title: string;
  readonly summary?: ConversationSummary;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}
export interface MessageRow extends TenantOwned {
  readonly id: string;
  readonly conversationId: ConversationId;
  /** Which turn of its conversation, from 0. */
  readonly ordinal: number;
  readonly question: string;
  readonly answer: string;
  readonly createdAt: Date;
}

/** Conversations of one user of the tenant: another user's is as missing as another tenant's. */
export interface ConversationStore {
  start(title: string): Promise<ConversationRow>;
  get(id: ConversationId): Promise<ConversationRow | undefined>;
  getMany(ids: readonly ConversationId[]): Promise<readonly (ConversationRow | undefined)[]>;
  page(request: PageRequest): Promise<Page<ConversationRow>>;
  /** Throws `NOT_FOUND`. */
  append(id: ConversationId, turn: { question: string; answer: string }): Promise<void>;
  /** The latest turns, oldest first. */
  latest(id: ConversationId, limit: number): Promise<readonly MessageRow[]>;
  /**
   * Keeps a summary, if the one before still covers `covered` turns: of two servers that summarise, the
   * later one does nothing, and neither does one whose conversation was cleared. Whether it was kept.
   */
  summarise(id: ConversationId, covered: number, summary: ConversationSummary): Promise<boolean>;
  messages(id: ConversationId, request: PageRequest): Promise<Page<MessageRow>>;
  /** Removes the conversation with its messages, what was said of them and answers kept for its keys. False when there is none. */
  clear(id: ConversationId): Promise<boolean>;
}

/** What a key stands for at this moment. `GONE`: it has been answered, and the answer went with what it rested on. */
export type KeyState =
  | { readonly kind: "FREE" | "BUSY" | "GONE" | "MISMATCH" }
  | { readonly kind: "ANSWERED"; readonly answer: string };

export interface KeyedAnswer {
  readonly id: string;
  /** Opaque to the store. */
  readonly answer: string;
  readonly conversationId?: ConversationId;
  /** Added to the conversation in the same transaction, so that it has one turn for a key, whoever crashed or was slow. */
  readonly turn?: { readonly question: string; readonly answer: string };
  /** Documents that it quotes: it dies with the first of them. */
  readonly documentIds: readonly DocumentId[];
}

/**
 * Keys of one user of the tenant, each bound to the arguments it was first used with. Any text is a
 * key, told apart by its code units alone. Reads and writes see a key's 24 hours end alike.
 */
export interface IdempotencyStore {
  look(key: string, argumentsSha256: string): Promise<KeyState>;
  /** `CLAIMED` when the key was free, or its owner's lease is over; else what `look` says. */
  claim(key: string, argumentsSha256: string, owner: string, leaseMs: number): Promise<KeyState | { readonly kind: "CLAIMED" }>;
  /** False when the key is no longer this owner's to work on. */
  renew(key: string, owner: string, leaseMs: number): Promise<boolean>;
  /** Frees a key that this owner works on. */
  release(key: string, owner: string): Promise<void>;
  /** The first answer to arrive is the key's, whoever holds the lease. `STORED`, or what is there instead. */
  answer(key: string, argumentsSha256: string, answer: KeyedAnswer): Promise<KeyState | { readonly kind: "STORED" }>;
}
