import type { Binary } from "mongodb";
import type { AdapterOrigin, Rating, StoredAdapterState } from "./adapter-rows.js";
import type { DocumentState, MediaType } from "./tenant-store.js";

/**
 * What every stored row of a tenant carries. `_id` begins with the tenant as well, so that the same
 * id in two tenants is two keys and an index on `_id` alone is scoped too. `stripe` and `seq` say
 * which write made the row what it is: a mover can follow a tenant by them.
 */
export interface StoredRow {
  readonly _id: string;
  readonly tenant_id: string;
  readonly stripe: string;
  readonly seq: number;
}

export interface StoredDocument extends StoredRow {
  readonly title: string;
  readonly media_type: MediaType;
  readonly tags: readonly string[];
  readonly state: DocumentState;
  readonly failure?: { readonly code: string; readonly message: string };
  readonly bytes: number;
  readonly chunk_count: number;
  /** Sum of the lengths of the document's chunks, given back to `totals` when they are replaced. */
  readonly length_sum: number;
  readonly version: number;
  readonly content_sha256: string;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export interface StoredRawDocument extends StoredRow {
  readonly bytes: number;
  readonly zstd: Binary;
}

export interface StoredChunk extends StoredRow {
  readonly document_id: string;
  readonly version: number;
  readonly ordinal: number;
  readonly text: string;
  readonly headings: readonly string[];
  /** Copied from the document, because a vector search filters on fields of the chunk alone. */
  readonly media_type: MediaType;
  readonly tags: readonly string[];
  /** BSON Binary vector (subtype 9, float32). */
  readonly vector: Binary;
  readonly terms: readonly string[];
  readonly term_counts: readonly number[];
  readonly length: number;
  readonly embedding_model: string;
}

export interface StoredConversation extends StoredRow {
  readonly user_id: string;
  readonly title: string;
  /** Number of turns so far: the ordinal of the next one. */
  readonly turns: number;
  /** Of the first `summary_turns` turns. Empty where nothing of them may be remembered. */
  readonly summary?: string;
  readonly summary_turns?: number;
  readonly created_at: Date;
  readonly updated_at: Date;
}

export interface StoredMessage extends StoredRow {
  readonly user_id: string;
  readonly conversation_id: string;
  readonly ordinal: number;
  readonly question: string;
  readonly answer: string;
  readonly created_at: Date;
}

/**
 * A caller's key: who works on it, or which answer it has. Its `_id` is a hash of user and key. The
 * arguments are sealed although they are a hash: a question is short enough to be guessed.
 */
export interface StoredIdempotencyRecord extends StoredRow {
  readonly user_id: string;
  /** Of the user's keys, in the order of their first use: the oldest go when there are too many. */
  readonly ordinal: number;
  /** The attempt that works on it, until `lease_until`. */
  readonly owner: string;
  readonly lease_until: Date;
  readonly answer_id?: string;
  readonly expires_at: Date;
  readonly arguments_sha256: string;
}

/** Apart from its key's row: it is removed with what it rests on, and the key must be known to be used up then. */
export interface StoredIdempotencyAnswer extends StoredRow {
  readonly user_id: string;
  readonly conversation_id?: string;
  readonly document_ids: readonly string[];
  readonly answer: string;
}

/** One a message, and its key follows from the message's: a user who changes their mind replaces it. */
export interface StoredFeedback extends StoredRow {
  readonly user_id: string;
  readonly conversation_id: string;
  readonly message_id: string;
  readonly rating: Rating;
  /** A good answer, or a bad one with its correction: what a training set is made of. */
  readonly teaches: boolean;
  readonly correction?: string;
  readonly created_at: Date;
}

/** Sealed fields are set by an insert alone; `setManifest` puts the row in its own place anew. */
export interface StoredAdapter extends StoredRow {
  readonly name: string;
  readonly base_model: string;
  readonly origin: AdapterOrigin;
  readonly state: StoredAdapterState;
  readonly examples: number;
  /** SHA-256 of each example of the training file, in the file's order. Sealed: a short example can be guessed from its hash. */
  readonly manifest?: readonly string[];
  /** The most that the training can be billed, in tokens. */
  readonly tokens_max?: number;
  /** Ids at the provider: each is written before it is used any further. */
  readonly training_file?: string;
  readonly training_job?: string;
  readonly upstream_model?: string;
  readonly failure?: { readonly code: string; readonly message: string };
  readonly weights_bytes?: number;
  readonly weights_pieces?: number;
  readonly weights_sha256?: string;
  /** The part of the totals' bytes that is these weights; gone once they are. */
  readonly counted_bytes?: number;
  /** Who works on it, until `lease_until`. Empty: nobody. */
  readonly owner: string;
  readonly lease_until: Date;
  readonly created_at: Date;
  readonly updated_at: Date;
}

/** A piece of a file of weights. */
export interface StoredAdapterWeights extends StoredRow {
  readonly adapter_id: string;
  readonly ordinal: number;
  /** Size before compression. */
  readonly bytes: number;
  readonly zstd: Binary;
}

/**
 * Names a set of rows that was removed: those of `collection` whose `field` was `value`. A follower
 * makes its copy of that set equal to the source's again, which needs no order between stripes.
 */
export interface StoredTombstone extends StoredRow {
  readonly collection: CollectionName;
  /** `document_ids` is an array: the set is of the rows that have `value` among them. */
  readonly field: "_id" | "document_id" | "document_ids" | "conversation_id" | "adapter_id";
  readonly value: string;
  readonly at: Date;
}

/** One row a tenant: what its caps are compared with, exactly, in the transaction that changes it. */
export interface StoredTotals extends StoredRow {
  readonly documents: number;
  readonly chunks: number;
  /** Of original documents and of adapters' weights. */
  readonly bytes: number;
  readonly length_sum: number;
  /** Grows with every publish and removal: caches of term statistics hang on it. */
  readonly revision: number;
  /** As `2026-03` in UTC, and how many trainings were begun in it. */
  readonly trainings_month?: string;
  readonly trainings?: number;
  readonly embedding_model?: string;
  readonly embedding_dimensions?: number;
}

/** Fields that a silo keeps in the blob of a row. A test compares this with `schema/collections/`. */
export interface SealedFieldNames {
  documents: "content_sha256";
  raw_documents: "zstd";
  chunks: "text" | "headings" | "terms";
  conversations: "title" | "summary";
  messages: "question" | "answer";
  idempotency_records: "arguments_sha256";
  idempotency_answers: "answer";
  feedback: "correction";
  adapters: "name" | "manifest" | "weights_sha256";
  adapter_weights: "zstd";
  tombstones: never;
  totals: never;
}

export interface Collections {
  documents: StoredDocument;
  raw_documents: StoredRawDocument;
  chunks: StoredChunk;
  conversations: StoredConversation;
  messages: StoredMessage;
  idempotency_records: StoredIdempotencyRecord;
  idempotency_answers: StoredIdempotencyAnswer;
  feedback: StoredFeedback;
  adapters: StoredAdapter;
  adapter_weights: StoredAdapterWeights;
  tombstones: StoredTombstone;
  totals: StoredTotals;
}
export type CollectionName = keyof Collections;
