import { DIMENSIONS_MAX } from "./index-definition.js";
import { kernelBytes, STRIDE_GRAIN_BYTES, type KernelExports } from "./kernel-module.js";

export type Kernel = "dot" | "squaredDistance";

/** The part of the WebAssembly global used here; Node's type package does not declare it. */
interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}
interface WasmApi {
  Memory: new (limits: { initial: number; maximum: number }) => WasmMemory;
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: { env: { memory: WasmMemory } }) => { exports: unknown };
}
const wasm = (globalThis as unknown as { WebAssembly: WasmApi }).WebAssembly;

const PAGE_BYTES = 65_536;
const QUERY_OFFSET = 0;
const QUERY_BYTES = DIMENSIONS_MAX * 4;
const SCORES_OFFSET = QUERY_BYTES;
/** Vectors scored a call: what the rest of the first page holds, so that query and scores share one page. */
export const SCORE_BATCH_VECTORS = (PAGE_BYTES - QUERY_BYTES) / 4;

const kernel = new wasm.Module(kernelBytes());

interface Gap {
  offset: number;
  bytes: number;
}

/** Bytes from one vector to the next in memory, given its dimensions: padded with zeros to the kernel's grain. */
export function strideBytesOf(dimensions: number): number {
  return Math.ceil((dimensions * 4) / STRIDE_GRAIN_BYTES) * STRIDE_GRAIN_BYTES;
}

/**
 * One WebAssembly memory with its kernel and a first-fit allocator of blocks in it.
 * Its first page holds the query and the scores of the call at work. It grows up to `bytesMax` and never
 * shrinks: whoever holds it drops it whole once `isEmpty`.
 */
export class VectorMemory {
  private readonly memory: WasmMemory;
  private readonly functions: KernelExports;
  /** Free blocks by offset, never two adjacent. */
  private readonly gaps: Gap[] = [];
  private readonly pagesMax: number;
  private endOffset = PAGE_BYTES;
  /** Growing detaches the buffer, so the views are made anew whenever it has changed. */
  private view: Uint8Array;
  private scores: Float32Array;

  constructor(bytesMax: number) {
    this.pagesMax = 1 + Math.ceil(bytesMax / PAGE_BYTES);
    this.memory = new wasm.Memory({ initial: 1, maximum: this.pagesMax });
    this.functions = new wasm.Instance(kernel, { env: { memory: this.memory } }).exports as KernelExports;
    this.view = new Uint8Array(this.memory.buffer);
    this.scores = new Float32Array(this.memory.buffer, SCORES_OFFSET, SCORE_BATCH_VECTORS);
  }

  /** Bytes for blocks, held by one or free: the memory without its first page. */
  get usableBytes(): number {
    return this.sizeBytes - PAGE_BYTES;
  }

  private get sizeBytes(): number {
    return this.memory.buffer.byteLength;
  }

  get isEmpty(): boolean {
    const free = this.gaps.reduce((sum, gap) => sum + gap.bytes, 0);
    return free === this.endOffset - PAGE_BYTES;
  }

  /**
   * Offset of a block, with whatever bytes it held before; undefined when no gap holds it and growing by at
   * most `growthBytesMax` does not either.
   */
  allocate(bytes: number, growthBytesMax: number): number | undefined {
    const index = this.gaps.findIndex((gap) => gap.bytes >= bytes);
    const gap = this.gaps[index];
    if (gap === undefined) return this.allocateAtEnd(bytes, growthBytesMax);
    const { offset } = gap;
    if (gap.bytes === bytes) this.gaps.splice(index, 1);
    else this.gaps[index] = { offset: offset + bytes, bytes: gap.bytes - bytes };
    return offset;
  }

  free(offset: number, bytes: number): void {
    let index = this.gaps.findIndex((gap) => gap.offset > offset);
    if (index === -1) index = this.gaps.length;
    const previous = this.gaps[index - 1];
    const next = this.gaps[index];
    const merged = { offset, bytes };
    let replaced = 0;
    if (next !== undefined && offset + bytes === next.offset) {
      merged.bytes += next.bytes;
      replaced += 1;
    }
    if (previous !== undefined && previous.offset + previous.bytes === offset) {
      merged.offset = previous.offset;
      merged.bytes += previous.bytes;
      index -= 1;
      replaced += 1;
    }
    this.gaps.splice(index, replaced, merged);
  }

  write(offset: number, source: Uint8Array): void {
    this.view.set(source, offset);
  }

  clear(offset: number, bytes: number): void {
    this.view.fill(0, offset, offset + bytes);
  }

  read(offset: number, bytes: number): Uint8Array {
    return this.view.subarray(offset, offset + bytes);
  }

  move(from: number, to: number, bytes: number): void {
    this.view.copyWithin(to, from, from + bytes);
  }

  /** Puts the query where the kernel reads it; bytes up to the stride become zero, as those of every vector are. */
  setQuery(query: Float32Array, strideBytes: number): void {
    this.view.fill(0, QUERY_OFFSET, QUERY_OFFSET + strideBytes);
    this.view.set(new Uint8Array(query.buffer, query.byteOffset, query.byteLength), QUERY_OFFSET);
  }

  /** Scores at most SCORE_BATCH_VECTORS vectors; the array returned is overwritten by the next call. */
  score(kernelName: Kernel, offset: number, count: number, strideBytes: number): Float32Array {
    this.functions[kernelName](QUERY_OFFSET, offset, SCORES_OFFSET, count, strideBytes);
    return this.scores;
  }

  private allocateAtEnd(bytes: number, growthBytesMax: number): number | undefined {
    const last = this.gaps.at(-1);
    const reaches = last !== undefined && last.offset + last.bytes === this.endOffset;
    const offset = reaches ? last.offset : this.endOffset;
    const pages = Math.ceil((offset + bytes) / PAGE_BYTES);
    const missing = pages - this.sizeBytes / PAGE_BYTES;
    if (pages > this.pagesMax || (missing - 1) * PAGE_BYTES >= growthBytesMax) return undefined;
    if (missing > 0 && !this.grow(missing)) return undefined;
    if (reaches) this.gaps.pop();
    this.endOffset = offset + bytes;
    return offset;
  }

  private grow(pages: number): boolean {
    try {
      this.memory.grow(pages);
    } catch (error) {
      // The machine refuses more memory: the caller evicts or searches from disk, which needs none.
      if (error instanceof RangeError) return false;
      throw error;
    }
    this.view = new Uint8Array(this.memory.buffer);
    this.scores = new Float32Array(this.memory.buffer, SCORES_OFFSET, SCORE_BATCH_VECTORS);
    return true;
  }
}
