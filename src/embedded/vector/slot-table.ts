import { decode, type Doc } from "../semantics/bson-codec.js";
import type { Slot } from "./row-codec.js";

export type DocMatcher = (filterFields: Doc) => boolean;

/**
 * Bytes charged for a resident slot beside its key: the slot object, a Buffer header, its text and a Map entry,
 * 263 as measured with 100,000 slots on Node 20. Charged from the start, though the Map is made on the first change.
 */
const SLOT_OVERHEAD_BYTES = 264;
/** An upper estimate of a decoded value with its interning entry: 346 bytes measured for one of 45, 560 charged. */
const FILTER_BYTES_FACTOR = 8;
const FILTER_OVERHEAD_BYTES = 200;

interface ResidentSlot {
  docKey: Buffer;
  filter: number;
  inSeveralPartitions: boolean;
}

/**
 * Keys and filter values of vectors held in memory, slot by slot.
 * Equal filter values are kept once, so a filter is evaluated once for each distinct set of values and not
 * once a vector: in a tenant's partition that is often a handful.
 */
export class SlotTable {
  private readonly slots: ResidentSlot[] = [];
  private readonly filters: Doc[] = [];
  private readonly filterIndexes = new Map<string, number>();
  private positions: Map<string, number> | undefined;
  /** Memory charged for the table. */
  bytes = 0;

  get length(): number {
    return this.slots.length;
  }

  /** Distinct filter values kept, among them some that no slot uses any more. */
  get filterCount(): number {
    return this.filters.length;
  }

  push(slot: Slot): void {
    this.positions?.set(keyText(slot.docKey), this.slots.length);
    this.slots.push(this.toResident(slot));
    this.bytes += slot.docKey.length + SLOT_OVERHEAD_BYTES;
  }

  replace(index: number, slot: Slot): void {
    this.slots[index] = this.toResident(slot);
  }

  /** Removes a slot by moving the last one into its place; the caller moves the vector alike. */
  removeBySwap(index: number): void {
    const positions = this.index();
    const removed = this.at(index);
    const last = this.at(this.slots.length - 1);
    this.slots[index] = last;
    positions.set(keyText(last.docKey), index);
    positions.delete(keyText(removed.docKey));
    this.slots.pop();
    this.bytes -= removed.docKey.length + SLOT_OVERHEAD_BYTES;
  }

  find(docKey: Buffer): number | undefined {
    return this.index().get(keyText(docKey));
  }

  at(index: number): ResidentSlot {
    const slot = this.slots[index];
    if (slot === undefined) throw new RangeError(`Slot out of range, got ${index}, expected below ${this.slots.length}`);
    return slot;
  }

  /** Runs of adjacent slots that pass, as [start, end), each at most `lengthMax` long. */
  *passingRuns(matches: DocMatcher | undefined, lengthMax: number): Generator<[number, number]> {
    const passes = matches === undefined ? undefined : this.filters.map((filter) => matches(filter));
    if (passes === undefined || passes.every(Boolean)) {
      for (let start = 0; start < this.length; start += lengthMax) yield [start, Math.min(start + lengthMax, this.length)];
      return;
    }
    let start = 0;
    for (let index = 0; index <= this.length; index += 1) {
      const slot = this.slots[index];
      const passing = slot !== undefined && passes[slot.filter] === true;
      if (passing && index - start < lengthMax) continue;
      if (index > start) yield [start, index];
      start = passing ? index : index + 1;
    }
  }

  private index(): Map<string, number> {
    this.positions ??= new Map(this.slots.map((slot, index) => [keyText(slot.docKey), index]));
    return this.positions;
  }

  private toResident(slot: Slot): ResidentSlot {
    // Copied: a view would keep alive the whole stored row it was cut from.
    return { docKey: Buffer.from(slot.docKey), filter: this.intern(slot.filterBson), inSeveralPartitions: slot.inSeveralPartitions };
  }

  private intern(filterBson: Buffer): number {
    const text = filterBson.toString("latin1");
    const known = this.filterIndexes.get(text);
    if (known !== undefined) return known;
    // Decoded from a copy: binary values share memory with the bytes they were read from.
    this.filters.push(decode(Buffer.from(filterBson)));
    this.filterIndexes.set(text, this.filters.length - 1);
    this.bytes += filterBson.length * FILTER_BYTES_FACTOR + FILTER_OVERHEAD_BYTES;
    return this.filters.length - 1;
  }
}

function keyText(docKey: Buffer): string {
  return docKey.toString("latin1");
}
