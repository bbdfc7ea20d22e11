import { EngineError } from "../engine-error.js";
import type { VectorField } from "./index-definition.js";
import type { PartitionCache } from "./partition-cache.js";
import { SEGMENT_VECTORS, type PartitionRows } from "./partition-rows.js";
import { ResidentPartition, type PartitionQuery, type VectorBlock, type VectorShape } from "./resident-partition.js";
import type { Catalogue, Slot } from "./row-codec.js";
import { TopResults } from "./top-results.js";
import { strideBytesOf, VectorMemory } from "./vector-memory.js";
import type { VectorKv } from "./vector-kv.js";

/**
 * Loads that a commit overtook before giving up. Each retry needs another commit into the same partition within
 * one synchronous read, so more than one is already rare.
 */
const OVERTAKEN_MAX = 16;

/** A change of one partition as `committed` reports it. */
export interface PartitionChange {
  tag: Buffer;
  previousVersion: number;
  version: number;
  slot: Slot;
  vector: Buffer | undefined;
}

/** Searches partitions of one vector field: from memory when resident and current, else from the rows. */
export class PartitionSearch {
  private readonly shape: VectorShape;

  constructor(
    field: VectorField,
    private readonly keyPrefix: string,
    private readonly kv: VectorKv,
    private readonly cache: PartitionCache,
  ) {
    this.shape = { dimensions: field.numDimensions, similarity: field.similarity };
  }

  run(rows: PartitionRows, tag: Buffer, query: PartitionQuery & { limit: number }, top: TopResults): void {
    const key = this.keyOf(tag);
    for (let attempt = 0; attempt < OVERTAKEN_MAX; attempt += 1) {
      const catalogue = rows.catalogue(this.kv);
      if (catalogue === undefined) {
        this.cache.drop(key);
        return;
      }
      const resident = this.cache.use(key);
      // Newer than the rows read: `committed` brought it ahead of a read snapshot that still lags.
      if (resident !== undefined && resident.version >= catalogue.version) {
        resident.search(query, top);
        return;
      }
      if (this.load(rows, key, catalogue, query, top)) return;
    }
    throw new EngineError(112, "WriteConflict", `Vector partition changed during each of ${OVERTAKEN_MAX} reads, expected one undisturbed`, [
      "TransientTransactionError",
    ]);
  }

  /**
   * A resident copy takes a change only if it stands exactly at the version before it. One loaded after the
   * commit has it already; one that missed a change in between is dropped.
   */
  follow(change: PartitionChange): void {
    const key = this.keyOf(change.tag);
    let missed = false;
    this.cache.update(key, this.shape, (resident) => {
      if (resident.version >= change.version) return true;
      missed = resident.version !== change.previousVersion;
      if (missed) return true;
      if (change.vector === undefined) resident.remove(change.slot.docKey);
      else if (!resident.upsert(change.slot, change.vector)) return false;
      resident.version = change.version;
      return true;
    });
    if (missed) this.cache.drop(key);
  }

  /** False when a commit changed the partition meanwhile, so that what was read may mix two states. */
  private load(rows: PartitionRows, key: string, catalogue: Catalogue, query: PartitionQuery & { limit: number }, top: TopResults): boolean {
    this.cache.drop(key);
    const resident = this.cache.reserve(this.shape, catalogue.documents, catalogue.version);
    if (resident === undefined) return this.searchRows(rows, catalogue, query, top);
    if (!this.fill(rows, resident) || !this.stillAt(rows, catalogue)) {
      this.cache.release(resident);
      return false;
    }
    resident.search(query, top);
    this.cache.insert(key, resident);
    return true;
  }

  private fill(rows: PartitionRows, resident: ResidentPartition): boolean {
    for (const chunk of rows.read(this.kv)) if (!resident.append(chunk)) return false;
    return true;
  }

  /** For a partition that the budget cannot hold: chunk by chunk, and kept apart until it is known to be consistent. */
  private searchRows(rows: PartitionRows, catalogue: Catalogue, query: PartitionQuery & { limit: number }, top: TopResults): boolean {
    const found = new TopResults(query.limit);
    const block = this.scratchBlock();
    for (const chunk of rows.read(this.kv)) {
      const scratch = new ResidentPartition(this.shape, block, 0);
      scratch.append(chunk);
      scratch.search(query, found);
    }
    if (!this.stillAt(rows, catalogue)) return false;
    top.absorb(found);
    return true;
  }

  /** Outside the budget: one memory of two segments, for any chunk and alive for this search alone. A memory a chunk cost more than the scores. */
  private scratchBlock(): VectorBlock {
    const bytes = 2 * SEGMENT_VECTORS * strideBytesOf(this.shape.dimensions);
    const memory = new VectorMemory(bytes);
    const offset = memory.allocate(bytes, bytes);
    if (offset === undefined) throw new EngineError(146, "ExceededMemoryLimit", `No memory for a vector segment of ${bytes} bytes`);
    return { memory, offset, bytes };
  }

  private stillAt(rows: PartitionRows, catalogue: Catalogue): boolean {
    return rows.catalogue(this.kv)?.version === catalogue.version;
  }

  private keyOf(tag: Buffer): string {
    return this.keyPrefix + tag.toString("hex");
  }
}
