/*
 * One vector index over one collection: exact k nearest neighbours within partitions.
 * Before it: the commands, which hand over documents inside their commit and checked `$vectorSearch` stages.
 * After it: rows in the key-value store (partition-rows) and hot partitions in memory (partition-cache).
 */
import { EngineError } from "../engine-error.js";
import type { Doc } from "../semantics/bson-codec.js";
import { EntryReader, partitionTag, type IndexEntry } from "./index-entry.js";
import type { VectorField, VectorIndexDefinition } from "./index-definition.js";
import type { PartitionCache } from "./partition-cache.js";
import { PartitionRows } from "./partition-rows.js";
import { PartitionSearch } from "./partition-search.js";
import { decodeCounter, encodeCounter, type Slot } from "./row-codec.js";
import { counterKey, FieldKeys, indexRange } from "./row-keys.js";
import type { VectorQuery } from "./search-stage.js";
import { TopResults, type VectorHit } from "./top-results.js";
import type { VectorKv } from "./vector-kv.js";

export interface DocumentChange {
  docKey: Buffer;
  /** The document as this index last saw it; absent on insert. */
  before?: Doc;
  /** Absent on delete. */
  after?: Doc;
}

/** What `apply` did to one partition; `committed` takes it once the transaction is visible. */
export interface AppliedChange {
  field: number;
  tag: Buffer;
  /** The partition's version before and after. */
  previousVersion: number;
  version: number;
  slot: Slot;
  /** Undefined: the document left the partition. */
  vector: Buffer | undefined;
}

/**
 * The rows follow from the documents: `clear` and then `apply` with `after` for each document rebuilds them.
 *
 * No lock guards memory against commits. Every change raises a counter stored with the partition, in the same
 * transaction; a search compares it with the one its resident copy was made from. So a resident copy can be
 * behind for a moment, but is never searched then, whatever the order of commit, load and `committed`.
 */
export class VectorIndex {
  private readonly entries: EntryReader;
  private readonly fields: readonly { field: VectorField; keys: FieldKeys }[];
  private readonly searches: readonly PartitionSearch[];
  private readonly space: string;

  /** `kv` reads the latest committed state. `indexId` is unique in the store and never given twice. */
  constructor(
    readonly definition: VectorIndexDefinition,
    private readonly indexId: number,
    private readonly kv: VectorKv,
    private readonly cache: PartitionCache,
  ) {
    this.entries = new EntryReader(definition);
    this.space = cache.openSpace();
    this.fields = definition.vectors.map((field, index) => ({ field, keys: new FieldKeys(indexId, index) }));
    this.searches = definition.vectors.map((field, index) => new PartitionSearch(field, `${this.space}${index}:`, kv, cache));
  }

  /**
   * Writes a document's change through the transaction's `kv`. Everything is derived before the first put, so a
   * document that cannot be read (EngineError) leaves the transaction as it was.
   */
  apply(kv: VectorKv, change: DocumentChange): AppliedChange[] {
    const steps = this.fields.flatMap(({ field }, index) => this.planField(index, field, change));
    if (steps.length === 0) return [];
    const version = decodeCounter(kv.get(counterKey(this.indexId))) + 1;
    kv.put(counterKey(this.indexId), encodeCounter(version));
    return steps.map((step) => this.write(kv, change.docKey, version, step));
  }

  /** Brings resident partitions up to what was committed, in the order of `apply`; call it after the commit is visible. */
  committed(changes: readonly AppliedChange[]): void {
    for (const change of changes) this.searches[change.field]?.follow(change);
  }

  /** The nearest documents, best first; on equal scores the smaller document key first. */
  search(query: VectorQuery): VectorHit[] {
    const search = this.searches[query.field];
    if (search === undefined) throw new EngineError(2, "BadValue", `Vector field out of range, got ${query.field}`);
    const top = new TopResults(query.limit);
    for (const tag of this.partitionsOf(query)) search.run(this.rows(query.field, tag), tag, query, top);
    return top.sorted();
  }

  /** Documents in the index, for `listSearchIndexes`: those with a vector in the first vector field. */
  documentCount(): number {
    let documents = 0;
    for (const tag of this.storedPartitions(0)) documents += this.rows(0, tag).catalogue(this.kv)?.documents ?? 0;
    return documents;
  }

  /** Removes every row, inside a transaction; afterwards call `close`. */
  clear(kv: VectorKv): void {
    const { start, end } = indexRange(this.indexId);
    for (const key of Array.from(kv.range(start, end), (row) => row.key)) kv.remove(key);
  }

  /** Gives back the memory of this index. */
  close(): void {
    this.cache.closeSpace(this.space);
  }

  private planField(index: number, field: VectorField, change: DocumentChange): Step[] {
    const before = this.entries.read(change.before, field);
    const after = this.entries.read(change.after, field);
    const tags = new Map([...(before?.partitions ?? []), ...(after?.partitions ?? [])]);
    const steps: Step[] = [];
    for (const [text, tag] of tags) {
      const present = before?.partitions.has(text) === true;
      const entry = after?.partitions.has(text) === true ? after : undefined;
      if (present && entry !== undefined && before !== undefined && sameEntry(before, entry)) continue;
      steps.push({ field: index, tag, present, entry });
    }
    return steps;
  }

  private write(kv: VectorKv, docKey: Buffer, version: number, step: Step): AppliedChange {
    const rows = this.rows(step.field, step.tag);
    const previousVersion = rows.catalogue(kv)?.version ?? 0;
    const slot: Slot = {
      docKey,
      filterBson: step.entry?.filterBson ?? Buffer.alloc(0),
      inSeveralPartitions: (step.entry?.partitions.size ?? 0) > 1,
    };
    const vector = step.entry?.vector;
    if (vector === undefined) rows.remove(kv, version, docKey);
    else rows.upsert(kv, version, { slot, vector }, step.present);
    return { field: step.field, tag: step.tag, previousVersion, version, slot, vector };
  }

  private rows(field: number, tag: Buffer): PartitionRows {
    const place = this.fields[field];
    if (place === undefined) throw new EngineError(2, "BadValue", `Vector field out of range, got ${field}`);
    return new PartitionRows(place.keys.partition(tag), place.field.numDimensions * 4);
  }

  private partitionsOf(query: VectorQuery): Iterable<Buffer> {
    if (query.partitionValues === undefined) return this.storedPartitions(query.field);
    const tags = query.partitionValues.map((value) => partitionTag(value));
    return new Map(tags.map((tag) => [tag.toString("hex"), tag])).values();
  }

  private storedPartitions(field: number): Buffer[] {
    const keys = this.fields[field]?.keys;
    if (keys === undefined) return [];
    const { start, end } = keys.catalogueRange();
    return Array.from(this.kv.range(start, end), ({ key }) => keys.tagOfCatalogueKey(key));
  }
}

interface Step {
  field: number;
  tag: Buffer;
  present: boolean;
  entry: IndexEntry | undefined;
}

function sameEntry(a: IndexEntry, b: IndexEntry): boolean {
  return a.vector.equals(b.vector) && a.filterBson.equals(b.filterBson) && (a.partitions.size > 1) === (b.partitions.size > 1);
}
