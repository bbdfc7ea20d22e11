import { ResidentPartition, type VectorBlock, type VectorShape } from "./resident-partition.js";
import { strideBytesOf, VectorMemory } from "./vector-memory.js";

/** WebAssembly ends at 4 GB; a quarter of it leaves room for growth by copying and fails more gently when memory is short. */
const MEMORY_BYTES_MAX = 1 << 30;

/**
 * Hot partitions of any number of indexes under one budget of bytes, the least recently searched evicted first.
 * Charged are the vectors' blocks and the tables beside them. The memories behind the blocks never shrink, but
 * hold no more than the budget together; one that falls empty is given up when another needs its room.
 */
export class PartitionCache {
  /** In order of last use, oldest first. */
  private readonly residents = new Map<string, ResidentPartition>();
  private memories: VectorMemory[] = [];
  private spaces = 0;
  private charged = 0;

  constructor(
    private readonly budgetBytes: number,
    private readonly memoryBytesMax: number = MEMORY_BYTES_MAX,
  ) {}

  get residentBytes(): number {
    return this.charged;
  }

  get residentCount(): number {
    return this.residents.size;
  }

  /** A name no other index gets, so that indexes of different databases share the cache and never a partition. */
  openSpace(): string {
    this.spaces += 1;
    return `${this.spaces}:`;
  }

  /** Forgets every partition of a space. */
  closeSpace(space: string): void {
    for (const key of this.residents.keys()) if (key.startsWith(space)) this.drop(key);
  }

  /** The partition, now the most recently used. */
  use(key: string): ResidentPartition | undefined {
    const resident = this.residents.get(key);
    if (resident === undefined) return undefined;
    this.residents.delete(key);
    this.residents.set(key, resident);
    return resident;
  }

  has(key: string): boolean {
    return this.residents.has(key);
  }

  /** An empty partition with room for `vectors`, not yet charged or findable; undefined when the budget cannot hold it. */
  reserve(shape: VectorShape, vectors: number, version: number): ResidentPartition | undefined {
    const block = this.allocate(vectors * strideBytesOf(shape.dimensions));
    return block && new ResidentPartition(shape, block, version);
  }

  /** Gives back a reserved partition that will not be used. */
  release(resident: ResidentPartition): void {
    const { memory, offset, bytes } = resident.vectorBlock;
    memory.free(offset, bytes);
  }

  /** Makes a reserved and filled partition findable and charges it, evicting others for it. False: it alone exceeds the budget. */
  insert(key: string, resident: ResidentPartition): boolean {
    this.drop(key);
    if (resident.bytes > this.budgetBytes) {
      this.release(resident);
      return false;
    }
    this.residents.set(key, resident);
    this.charged += resident.bytes;
    this.evictDownTo(this.budgetBytes);
    return true;
  }

  drop(key: string): void {
    const resident = this.residents.get(key);
    if (resident === undefined) return;
    this.residents.delete(key);
    this.charged -= resident.bytes;
    this.release(resident);
  }

  /**
   * Changes a partition in place and keeps the charge exact. `change` returns false when it found no room; then
   * the block grows by half and `change` runs once more. A partition that cannot grow is dropped, and read anew
   * by the next search. Does not count as a use: a tenant that only writes must not push out one that searches.
   */
  update(key: string, shape: VectorShape, change: (resident: ResidentPartition) => boolean): void {
    const resident = this.residents.get(key);
    if (resident === undefined) return;
    this.charged -= resident.bytes;
    const done = change(resident) || (this.grow(key, resident, shape) && change(resident));
    this.charged += resident.bytes;
    if (!done || resident.isBloated) this.drop(key);
    this.evictDownTo(this.budgetBytes);
  }

  private grow(key: string, resident: ResidentPartition, shape: VectorShape): boolean {
    const stride = strideBytesOf(shape.dimensions);
    const previous = resident.vectorBlock;
    const block = this.allocate(Math.ceil((resident.capacity + 1) * 1.5) * stride, key);
    if (block === undefined) return false;
    resident.moveTo(block);
    previous.memory.free(previous.offset, previous.bytes);
    return true;
  }

  private allocate(bytes: number, keep?: string): VectorBlock | undefined {
    if (bytes > this.budgetBytes || bytes > this.memoryBytesMax) return undefined;
    for (;;) {
      const block = this.charged + bytes <= this.budgetBytes ? this.allocateNow(bytes) : undefined;
      if (block !== undefined) return block;
      const oldest = [...this.residents.keys()].find((key) => key !== keep);
      if (oldest === undefined) return undefined;
      this.drop(oldest);
    }
  }

  private allocateNow(bytes: number): VectorBlock | undefined {
    for (const memory of this.memories) {
      const offset = memory.allocate(bytes, this.growthBytesLeft());
      if (offset !== undefined) return { memory, offset, bytes };
    }
    this.memories = this.memories.filter((memory) => !memory.isEmpty);
    if (bytes > this.growthBytesLeft()) return undefined;
    const memory = new VectorMemory(Math.min(this.memoryBytesMax, this.budgetBytes));
    const offset = memory.allocate(bytes, bytes);
    if (offset === undefined) return undefined;
    this.memories.push(memory);
    return { memory, offset, bytes };
  }

  /** What all memories together may still grow by. */
  private growthBytesLeft(): number {
    return this.memories.reduce((left, memory) => left - memory.usableBytes, this.budgetBytes);
  }

  private evictDownTo(bytes: number): void {
    for (const key of this.residents.keys()) {
      if (this.charged <= bytes) return;
      this.drop(key);
    }
  }
}
