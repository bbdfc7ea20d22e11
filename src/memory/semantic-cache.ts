/**
 * Answers that were given before, by the meaning of their question. Before it comes the vector of the
 * question; after a hit the check that what it cites is still there. In this server's memory alone:
 * a hint may be lost at any time, so nothing has to be moved, sealed or erased in a store, and what
 * is served is checked against the tenant's store first.
 */
import type { Clock } from "../kernel/clock.js";
import type { ChunkId, DocumentId, TenantId } from "../kernel/ids.js";
import { partitionKey, type CachePartition, type IndexVersion } from "./cache-partition.js";
import { cachePolicyOf } from "./cache-policy.js";
import { formOf, type QuestionForm } from "./question-form.js";
import { sameQuestion } from "./same-question.js";

export interface CachedAnswer {
  readonly text: string;
  readonly citations: readonly { readonly documentId: DocumentId; readonly chunkId: ChunkId; readonly snippet: string; readonly score: number }[];
  /** What it rests on, as it was then. */
  readonly documents: readonly { readonly id: DocumentId; readonly version: number }[];
}

/** A question on its way through the cache. */
export interface CacheQuestion {
  readonly partition: CachePartition;
  readonly text: string;
  /** Of length 1. */
  readonly vector: Float32Array;
}

interface Entry {
  readonly key: string;
  readonly index: IndexVersion;
  readonly form: QuestionForm;
  readonly vector: Float32Array;
  readonly answer: CachedAnswer;
  readonly bytes: number;
  readonly endsAt: number;
}

/** Least recently used first. */
interface Share {
  readonly entries: Set<Entry>;
  bytes: number;
}

/** Of all tenants: an answer has about 6 KB with its vector, so some ten thousand. */
export const cacheBytesMax = 64_000_000;
/** Of one tenant, also while nobody else needs the room: a scan over more would be felt. */
export const tenantBytesMax = 8_000_000;
/** Maps, forms and the objects themselves: measured at 1.2 to 1.9 KB an entry of a short question. */
const entryOverheadBytes = 2_000;
const bytesPerCharacter = 2;
/** Nobody asks a longer one twice, and comparing it word by word would hold up others for milliseconds. */
const questionCharsMax = 2_000;

export class SemanticCache {
  readonly #shares = new Map<TenantId, Share>();
  #bytes = 0;

  constructor(private readonly clock: Clock, private readonly limits = { bytes: cacheBytesMax, tenantBytes: tenantBytesMax }) {}

  /** The answer to the nearest question that is the same one; undefined when there is none. */
  find({ partition, text, vector }: CacheQuestion, minSimilarity: number): CachedAnswer | undefined {
    const share = this.#shares.get(partition.context.tenantId);
    if (share === undefined || text.length > questionCharsMax) return undefined;
    this.#dropOld(share, partition.index);
    this.#forgetIfEmpty(partition.context.tenantId, share);
    const key = partitionKey(partition);
    const form = formOf(text);
    const near = [...share.entries]
      .filter((entry) => entry.key === key)
      .map((entry) => ({ entry, similarity: dot(entry.vector, vector) }))
      .filter(({ similarity }) => similarity >= minSimilarity)
      .toSorted((x, y) => y.similarity - x.similarity);
    const hit = near.find(({ entry }) => sameQuestion(entry.form, form))?.entry;
    if (hit === undefined) return undefined;
    share.entries.delete(hit);
    share.entries.add(hit);
    return hit.answer;
  }

  /** Keeps an answer, in place of what the same question has had. Not one that hangs on the day, or that rests on nothing. */
  keep({ partition, text, vector }: CacheQuestion, answer: CachedAnswer): void {
    const { context, index } = partition;
    const { ttlSeconds, maxEntries } = cachePolicyOf(context.policy);
    if (text.length > questionCharsMax) return;
    const form = formOf(text);
    if (maxEntries === 0 || form.isOfMoment || answer.documents.length === 0) return;
    const share = this.#shareOf(context.tenantId);
    this.#dropOld(share, index);
    const key = partitionKey(partition);
    for (const entry of share.entries) if (entry.key === key && entry.form.plain === form.plain && sameQuestion(entry.form, form)) this.#drop(share, entry);
    const bytes = entryOverheadBytes + vector.byteLength + bytesPerCharacter * (2 * text.length + JSON.stringify(answer).length);
    // A copy: the caller's may be a view of a batch, which would be kept whole.
    const entry = { key, index, form, vector: vector.slice(), answer, bytes, endsAt: this.clock.now() + ttlSeconds * 1_000 };
    share.entries.add(entry);
    share.bytes += bytes;
    this.#bytes += bytes;
    while (share.entries.size > maxEntries || share.bytes > this.limits.tenantBytes) this.#dropOldest(share);
    // From whoever has most: a tenant within its even share never loses an answer to another.
    while (this.#bytes > this.limits.bytes) this.#dropOldest(this.#largest());
    this.#forgetIfEmpty(context.tenantId, share);
  }

  /** Tenants that have answers here. */
  tenants(): readonly TenantId[] {
    return [...this.#shares.keys()];
  }

  forget(tenantId: TenantId): void {
    const share = this.#shares.get(tenantId);
    if (share === undefined) return;
    this.#bytes -= share.bytes;
    this.#shares.delete(tenantId);
  }

  /** Frees what has run out. It is not served before that either. */
  sweep(tenantId: TenantId): void {
    const share = this.#shares.get(tenantId);
    if (share === undefined) return;
    this.#dropOld(share);
    this.#forgetIfEmpty(tenantId, share);
  }

  usage(tenantId: TenantId): { readonly entries: number; readonly bytes: number } {
    const share = this.#shares.get(tenantId);
    return { entries: share?.entries.size ?? 0, bytes: share?.bytes ?? 0 };
  }

  #shareOf(tenantId: TenantId): Share {
    const known = this.#shares.get(tenantId);
    if (known !== undefined) return known;
    const share = { entries: new Set<Entry>(), bytes: 0 };
    this.#shares.set(tenantId, share);
    return share;
  }

  /** What has run out, and what was answered before the tenant's documents became what they are. */
  #dropOld(share: Share, now?: IndexVersion): void {
    const at = this.clock.now();
    for (const entry of share.entries) if (entry.endsAt <= at || (now !== undefined && isOlder(entry.index, now))) this.#drop(share, entry);
  }

  #drop(share: Share, entry: Entry): void {
    if (!share.entries.delete(entry)) return;
    share.bytes -= entry.bytes;
    this.#bytes -= entry.bytes;
  }

  #dropOldest(share: Share): void {
    const [oldest] = share.entries;
    if (oldest !== undefined) this.#drop(share, oldest);
  }

  /** Looked for among all tenants only once the room is full, beside a model call. */
  #largest(): Share {
    return [...this.#shares.values()].reduce((most, share) => (share.bytes > most.bytes ? share : most));
  }

  #forgetIfEmpty(tenantId: TenantId, share: Share): void {
    if (share.entries.size === 0 && this.#shares.get(tenantId) === share) this.#shares.delete(tenantId);
  }
}

/** A slow request that still knows an earlier version must not throw away what is newer. */
function isOlder(x: IndexVersion, y: IndexVersion): boolean {
  return x.epoch < y.epoch || (x.epoch === y.epoch && x.revision < y.revision);
}

/** Vectors of another length are of another model: not near. */
function dot(x: Float32Array, y: Float32Array): number {
  if (x.length !== y.length) return -1;
  let sum = 0;
  for (let at = 0; at < x.length; at += 1) sum += (x[at] ?? 0) * (y[at] ?? 0);
  return sum;
}
