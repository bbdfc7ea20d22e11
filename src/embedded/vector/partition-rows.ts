import {
  decodeCatalogue, decodeChange, decodeSlots, encodeCatalogue, encodeChange, encodeSlots,
  type Catalogue, type ChangeRow, type SegmentSlot, type Slot,
} from "./row-codec.js";
import type { PartitionKeys } from "./row-keys.js";
import type { VectorKv } from "./vector-kv.js";

/** Vectors a segment: 393 KB at 384 dimensions, so that a read is few pages and a rewrite stays small. */
export const SEGMENT_VECTORS = 256;

/** Slots and their vectors as read: `vectors` holds one vector a slot, in the same order, unpadded. */
export interface PartitionChunk {
  /** Undefined where the slot is dead or overridden by a later change. */
  slots: readonly (Slot | undefined)[];
  vectors: Buffer;
}

interface Live {
  slot: Slot;
  vector: Buffer;
}

/** The stored rows of one partition: segments of packed vectors, and a log of changes folded into them. */
export class PartitionRows {
  constructor(
    private readonly keys: PartitionKeys,
    private readonly vectorBytes: number,
  ) {}

  catalogue(kv: VectorKv): Catalogue | undefined {
    const row = kv.get(this.keys.catalogue);
    return row === undefined ? undefined : decodeCatalogue(row);
  }

  /** Writes a document's new state; `present` tells whether the partition holds the document already. */
  upsert(kv: VectorKv, version: number, entry: Live, present: boolean): void {
    const catalogue = this.catalogue(kv) ?? { version, documents: 0, changes: 0, nextSegment: 0 };
    const previous = this.change(kv, entry.slot.docKey);
    const overrides = previous?.overrides ?? present;
    kv.put(this.keys.change(entry.slot.docKey), encodeChange({ slot: entry.slot, vector: entry.vector, overrides }));
    if (!present) catalogue.documents += 1;
    if (previous === undefined) catalogue.changes += 1;
    this.finish(kv, { ...catalogue, version });
  }

  remove(kv: VectorKv, version: number, docKey: Buffer): void {
    const catalogue = this.catalogue(kv);
    if (catalogue === undefined) return;
    const previous = this.change(kv, docKey);
    catalogue.documents -= 1;
    if (catalogue.documents === 0) {
      this.clear(kv);
      return;
    }
    if (previous !== undefined && !previous.overrides) {
      kv.remove(this.keys.change(docKey));
      catalogue.changes -= 1;
    } else {
      const slot = { docKey, filterBson: Buffer.alloc(0), inSeveralPartitions: false };
      kv.put(this.keys.change(docKey), encodeChange({ slot, vector: undefined, overrides: true }));
      if (previous === undefined) catalogue.changes += 1;
    }
    this.finish(kv, { ...catalogue, version });
  }

  /** Every live vector once, in chunks of fewer than two full segments. */
  *read(kv: VectorKv): Generator<PartitionChunk> {
    const changes = this.changes(kv);
    const overridden = new Set(changes.filter((change) => change.overrides).map((change) => change.slot.docKey.toString("latin1")));
    for (const { number, slots } of this.segments(kv)) {
      const live = slots.map((slot) => (isLive(slot, overridden) ? slot : undefined));
      if (live.every((slot) => slot === undefined)) continue;
      const vectors = kv.get(this.keys.vectors(number));
      if (vectors !== undefined) yield { slots: live, vectors };
    }
    const fresh = changes.filter((change) => change.vector !== undefined);
    if (fresh.length > 0) {
      yield { slots: fresh.map((change) => change.slot), vectors: Buffer.concat(fresh.flatMap((change) => change.vector ?? [])) };
    }
  }

  private finish(kv: VectorKv, catalogue: Catalogue): void {
    const folded = catalogue.changes < SEGMENT_VECTORS ? catalogue : this.fold(kv, catalogue);
    kv.put(this.keys.catalogue, encodeCatalogue(folded));
  }

  /**
   * Moves the log into segments. Inserts alone write one new segment and touch no other; an override also
   * marks its old slot dead, which rewrites the segment's slots but not its vectors. A segment less than
   * half alive is emptied into the new one, so dead space never exceeds half.
   */
  private fold(kv: VectorKv, catalogue: Catalogue): Catalogue {
    const changes = this.changes(kv);
    const overridden = new Set(changes.filter((change) => change.overrides).map((change) => change.slot.docKey.toString("latin1")));
    const live = overridden.size === 0 ? [] : this.buryOverridden(kv, overridden);
    for (const { slot, vector } of changes) {
      if (vector !== undefined) live.push({ slot, vector });
      kv.remove(this.keys.change(slot.docKey));
    }
    const parts = splitEvenly(live);
    parts.forEach((part, index) => this.putSegment(kv, catalogue.nextSegment + index, part));
    return { ...catalogue, changes: 0, nextSegment: catalogue.nextSegment + parts.length };
  }

  /** Returns what was alive in the segments it removed. */
  private buryOverridden(kv: VectorKv, overridden: ReadonlySet<string>): Live[] {
    const rescued: Live[] = [];
    for (const { number, slots } of Array.from(this.segments(kv))) {
      const buried = slots.map((slot) => ({ ...slot, dead: !isLive(slot, overridden) }));
      if (buried.every((slot, index) => slot.dead === slots[index]?.dead)) continue;
      const alive = buried.filter((slot) => !slot.dead).length;
      if (alive * 2 >= SEGMENT_VECTORS) {
        kv.put(this.keys.slots(number), encodeSlots(buried));
        continue;
      }
      const vectors = kv.get(this.keys.vectors(number)) ?? Buffer.alloc(0);
      buried.forEach((slot, index) => {
        const start = index * this.vectorBytes;
        if (!slot.dead) rescued.push({ slot, vector: vectors.subarray(start, start + this.vectorBytes) });
      });
      kv.remove(this.keys.slots(number));
      kv.remove(this.keys.vectors(number));
    }
    return rescued;
  }

  private putSegment(kv: VectorKv, number: number, live: readonly Live[]): void {
    kv.put(this.keys.slots(number), encodeSlots(live.map(({ slot }) => ({ ...slot, dead: false }))));
    kv.put(this.keys.vectors(number), Buffer.concat(live.map(({ vector }) => vector)));
  }

  private change(kv: VectorKv, docKey: Buffer): ChangeRow | undefined {
    const row = kv.get(this.keys.change(docKey));
    return row === undefined ? undefined : decodeChange(row);
  }

  private changes(kv: VectorKv): ChangeRow[] {
    const { start, end } = this.keys.changesRange();
    return Array.from(kv.range(start, end), ({ value }) => decodeChange(value));
  }

  private *segments(kv: VectorKv): Generator<{ number: number; slots: SegmentSlot[] }> {
    const { start, end } = this.keys.slotsRange();
    for (const { key, value } of kv.range(start, end)) {
      yield { number: this.keys.segmentNumber(key), slots: decodeSlots(value) };
    }
  }

  private clear(kv: VectorKv): void {
    const { start, end } = this.keys.rowsRange();
    for (const key of Array.from(kv.range(start, end), (row) => row.key)) kv.remove(key);
    kv.remove(this.keys.catalogue);
  }
}

function isLive(slot: SegmentSlot, overridden: ReadonlySet<string>): boolean {
  return !slot.dead && !overridden.has(slot.docKey.toString("latin1"));
}

/** A remainder joins its neighbours: parts of 256 to 511, not a string of tiny segments after every fold. */
function splitEvenly(live: readonly Live[]): Live[][] {
  if (live.length === 0) return [];
  const parts = Math.max(1, Math.floor(live.length / SEGMENT_VECTORS));
  const size = Math.ceil(live.length / parts);
  return Array.from({ length: parts }, (_, index) => live.slice(index * size, (index + 1) * size));
}
