/** What a partition keeps of a document beside its vector. */
export interface Slot {
  docKey: Buffer;
  /** BSON of the document cut down to the index's filter fields. */
  filterBson: Buffer;
  /** An array in the first filter field puts the document in several partitions; results must count it once. */
  inSeveralPartitions: boolean;
}

/** A slot as stored in a segment; a dead one was deleted or replaced since. */
export interface SegmentSlot extends Slot {
  dead: boolean;
}

/** A change not yet folded: the document's new state in this partition, or none when it left. */
export interface ChangeRow {
  slot: Slot;
  /** Float32, little endian, unpadded; undefined for a removal. */
  vector: Buffer | undefined;
  /** The document also lies in a segment, which this row overrides. */
  overrides: boolean;
}

/** State of a partition; absent when it is empty. */
export interface Catalogue {
  /** The index's counter at the last change of this partition: grows and never comes back, even after deletion. */
  version: number;
  documents: number;
  changes: number;
  nextSegment: number;
}

const DEAD = 1;
const SEVERAL = 2;
const HAS_VECTOR = 4;
const OVERRIDES = 8;
const SLOT_HEADER_BYTES = 7;
const CATALOGUE_BYTES = 20;

export function encodeSlots(slots: readonly SegmentSlot[]): Buffer {
  return Buffer.concat(slots.flatMap((slot) => encodeSlot(slot, slot.dead ? DEAD : 0)));
}

export function decodeSlots(row: Buffer): SegmentSlot[] {
  const slots: SegmentSlot[] = [];
  let offset = 0;
  while (offset < row.length) {
    const { slot, flags, end } = decodeSlot(row, offset);
    slots.push({ ...slot, dead: (flags & DEAD) !== 0 });
    offset = end;
  }
  return slots;
}

export function encodeChange(change: ChangeRow): Buffer {
  const flags = (change.vector === undefined ? 0 : HAS_VECTOR) | (change.overrides ? OVERRIDES : 0);
  return Buffer.concat([...encodeSlot(change.slot, flags), change.vector ?? Buffer.alloc(0)]);
}

export function decodeChange(row: Buffer): ChangeRow {
  const { slot, flags, end } = decodeSlot(row, 0);
  return {
    slot,
    vector: (flags & HAS_VECTOR) === 0 ? undefined : row.subarray(end),
    overrides: (flags & OVERRIDES) !== 0,
  };
}

export function encodeCatalogue(catalogue: Catalogue): Buffer {
  const row = Buffer.alloc(CATALOGUE_BYTES);
  row.writeDoubleLE(catalogue.version, 0);
  row.writeUInt32LE(catalogue.documents, 8);
  row.writeUInt32LE(catalogue.changes, 12);
  row.writeUInt32LE(catalogue.nextSegment, 16);
  return row;
}

export function decodeCatalogue(row: Buffer): Catalogue {
  return {
    version: row.readDoubleLE(0),
    documents: row.readUInt32LE(8),
    changes: row.readUInt32LE(12),
    nextSegment: row.readUInt32LE(16),
  };
}

/** A double counts exactly to 2^53: at a million changes a second, 285 years. */
export function encodeCounter(version: number): Buffer {
  const row = Buffer.alloc(8);
  row.writeDoubleLE(version);
  return row;
}

export function decodeCounter(row: Buffer | undefined): number {
  return row === undefined ? 0 : row.readDoubleLE(0);
}

function encodeSlot(slot: Slot, flags: number): Buffer[] {
  const header = Buffer.alloc(SLOT_HEADER_BYTES);
  header.writeUInt8(flags | (slot.inSeveralPartitions ? SEVERAL : 0));
  header.writeUInt16LE(slot.docKey.length, 1);
  header.writeUInt32LE(slot.filterBson.length, 3);
  return [header, slot.docKey, slot.filterBson];
}

function decodeSlot(row: Buffer, offset: number): { slot: Slot; flags: number; end: number } {
  const flags = row.readUInt8(offset);
  const keyStart = offset + SLOT_HEADER_BYTES;
  const keyEnd = keyStart + row.readUInt16LE(offset + 1);
  const end = keyEnd + row.readUInt32LE(offset + 3);
  const slot = {
    docKey: row.subarray(keyStart, keyEnd),
    filterBson: row.subarray(keyEnd, end),
    inSeveralPartitions: (flags & SEVERAL) !== 0,
  };
  return { slot, flags, end };
}
