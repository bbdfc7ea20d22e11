import type { Similarity } from "./index-definition.js";
import type { PartitionChunk } from "./partition-rows.js";
import type { Slot } from "./row-codec.js";
import { SlotTable, type DocMatcher } from "./slot-table.js";
import type { TopResults } from "./top-results.js";
import { SCORE_BATCH_VECTORS, strideBytesOf, type Kernel, type VectorMemory } from "./vector-memory.js";

/** A block of one memory, given by the cache. */
export interface VectorBlock {
  memory: VectorMemory;
  offset: number;
  bytes: number;
}

export interface VectorShape {
  dimensions: number;
  similarity: Similarity;
}

/** What one search asks of every partition it reads. */
export interface PartitionQuery {
  vector: Float32Array;
  matches: DocMatcher | undefined;
}

/** Atlas's formulas, from what the kernel gives: a dot product, or a squared distance. */
function scoreOf(similarity: Similarity, raw: number): number {
  switch (similarity) {
    case "euclidean":
      return 1 / (1 + raw);
    case "dotProduct":
      return (1 + raw) / 2;
    case "cosine":
      // Rounding can carry the cosine of parallel vectors past one.
      return (1 + Math.min(1, Math.max(-1, raw))) / 2;
  }
}

/** Vectors in memory with their keys and filter values. Knows nothing of storage, budget or versions' meaning. */
export class ResidentPartition {
  private readonly table = new SlotTable();
  private readonly stride: number;
  private readonly kernel: Kernel;

  constructor(
    private readonly shape: VectorShape,
    private block: VectorBlock,
    /** The stored version this content equals. */
    public version: number,
  ) {
    this.stride = strideBytesOf(shape.dimensions);
    this.kernel = shape.similarity === "euclidean" ? "squaredDistance" : "dot";
    this.clearPadding(block);
  }

  /** Memory charged: the block and the table. */
  get bytes(): number {
    return this.block.bytes + this.table.bytes;
  }

  get vectorBlock(): VectorBlock {
    return this.block;
  }

  get length(): number {
    return this.table.length;
  }

  get capacity(): number {
    return Math.floor(this.block.bytes / this.stride);
  }

  /** More filter values than twice the vectors: mostly leftovers of updates, so that reading anew is cheaper. */
  get isBloated(): boolean {
    return this.table.filterCount > 2 * this.table.length + 64;
  }

  /** Takes in the live vectors of a chunk; false, and unchanged, when they do not fit. */
  append(chunk: PartitionChunk): boolean {
    const count = chunk.slots.reduce((sum, slot) => (slot === undefined ? sum : sum + 1), 0);
    if (this.length + count > this.capacity) return false;
    chunk.slots.forEach((slot, index) => {
      if (slot === undefined) return;
      const start = index * this.vectorBytes;
      this.putVector(this.table.length, chunk.vectors.subarray(start, start + this.vectorBytes));
      this.table.push(slot);
    });
    return true;
  }

  /** False when a new vector finds no room. */
  upsert(slot: Slot, vector: Buffer): boolean {
    const index = this.table.find(slot.docKey);
    if (index !== undefined) {
      this.table.replace(index, slot);
      this.putVector(index, vector);
      return true;
    }
    return this.append({ slots: [slot], vectors: vector });
  }

  remove(docKey: Buffer): void {
    const index = this.table.find(docKey);
    if (index === undefined) return;
    const last = this.table.length - 1;
    if (index !== last) this.block.memory.move(this.addressOf(last), this.addressOf(index), this.stride);
    this.table.removeBySwap(index);
  }

  /** Copies the vectors into a larger block, which replaces the present one; the caller frees that. */
  moveTo(block: VectorBlock): void {
    this.clearPadding(block);
    block.memory.write(block.offset, this.block.memory.read(this.block.offset, this.length * this.stride));
    this.block = block;
  }

  search(query: PartitionQuery, top: TopResults): void {
    const { memory } = this.block;
    memory.setQuery(query.vector, this.stride);
    for (const [start, end] of this.table.passingRuns(query.matches, SCORE_BATCH_VECTORS)) {
      const raw = memory.score(this.kernel, this.addressOf(start), end - start, this.stride);
      this.offerAll(raw, start, end, top);
    }
  }

  private offerAll(raw: Float32Array, start: number, end: number, top: TopResults): void {
    let { floor } = top;
    for (let index = start; index < end; index += 1) {
      const score = scoreOf(this.shape.similarity, raw[index - start] ?? Number.NaN);
      if (score < floor) continue;
      const slot = this.table.at(index);
      top.offer({ docKey: slot.docKey, score, inSeveralPartitions: slot.inSeveralPartitions });
      floor = top.floor;
    }
  }

  /**
   * The kernel reads whole strides, so what lies behind a shorter vector must be zero. Where there is no
   * such padding nothing is read that was not written, and clearing would touch every page of the block
   * for nothing: most of the time of a large partition's first search.
   */
  private clearPadding(block: VectorBlock): void {
    if (this.stride !== this.vectorBytes) block.memory.clear(block.offset, block.bytes);
  }

  private get vectorBytes(): number {
    return this.shape.dimensions * 4;
  }

  private addressOf(index: number): number {
    return this.block.offset + index * this.stride;
  }

  private putVector(index: number, vector: Buffer): void {
    this.block.memory.write(this.addressOf(index), vector);
  }
}
