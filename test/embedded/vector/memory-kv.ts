import type { VectorKv } from "../../../src/embedded/vector/vector-kv.js";

export interface RangeRead {
  start: Buffer;
  end: Buffer;
}

/** A sorted map in the place of LMDB; it notes what was read, and lets a test act between two reads. */
export class MemoryKv implements VectorKv {
  private readonly rows = new Map<string, Buffer>();
  readonly gets: Buffer[] = [];
  readonly ranges: RangeRead[] = [];
  beforeRead: (() => void) | undefined;

  get size(): number {
    return this.rows.size;
  }

  get(key: Buffer): Buffer | undefined {
    this.beforeRead?.();
    this.gets.push(key);
    const value = this.rows.get(key.toString("hex"));
    return value && Buffer.from(value);
  }

  *range(start: Buffer, end: Buffer): Generator<{ key: Buffer; value: Buffer }> {
    this.ranges.push({ start, end });
    const from = start.toString("hex");
    const to = end.toString("hex");
    // Hex text orders as its bytes do. The list is taken first, so an act between two reads may change the rows.
    for (const text of [...this.rows.keys()].filter((key) => key >= from && key < to).toSorted()) {
      this.beforeRead?.();
      const value = this.rows.get(text);
      if (value !== undefined) yield { key: Buffer.from(text, "hex"), value: Buffer.from(value) };
    }
  }

  put(key: Buffer, value: Buffer): void {
    this.rows.set(key.toString("hex"), Buffer.from(value));
  }

  remove(key: Buffer): void {
    this.rows.delete(key.toString("hex"));
  }

  forgetReads(): void {
    this.gets.length = 0;
    this.ranges.length = 0;
  }
}
