import { createHash } from "node:crypto";

/**
 * Keys of a vector index, all below its number, so that it is dropped by one range:
 *
 *   index, 0                                   version counter of the index
 *   index, field, 1, partition                 catalogue: version and counts of a partition
 *   index, field, 2, partition, 1, number      slots of a segment: document keys, filter values
 *   index, field, 2, partition, 2, number      its vectors
 *   index, field, 2, partition, 3, document    a change not yet folded into a segment
 *
 * Partitions and documents carry their length in front: none is a prefix of another, so the range of one
 * partition cannot reach into the next. The longest key has 518 bytes, against LMDB's 1,978.
 */
const COUNTER = 0;
const CATALOGUE = 1;
const ROWS = 2;
const SLOTS = 1;
const VECTORS = 2;
const CHANGES = 3;

/** Longest part stored as it is; 255 marks a longer one, stored as its SHA-256. */
const PART_BYTES_MAX = 254;
const HASHED = 255;

export interface KeyRange {
  start: Buffer;
  end: Buffer;
}

export function partTag(part: Buffer): Buffer {
  if (part.length <= PART_BYTES_MAX) return Buffer.concat([Buffer.of(part.length), part]);
  return Buffer.concat([Buffer.of(HASHED), createHash("sha256").update(part).digest()]);
}

function indexPrefix(indexId: number): Buffer {
  const prefix = Buffer.alloc(4);
  prefix.writeUInt32BE(indexId);
  return prefix;
}

/** Every key of the index. */
export function indexRange(indexId: number): KeyRange {
  const start = indexPrefix(indexId);
  return { start, end: Buffer.concat([start, Buffer.of(0xff)]) };
}

export function counterKey(indexId: number): Buffer {
  return Buffer.concat([indexPrefix(indexId), Buffer.of(COUNTER)]);
}

/** Keys of the partitions of one vector field; fields count from 0. */
export class FieldKeys {
  private readonly prefix: Buffer;

  constructor(indexId: number, field: number) {
    this.prefix = Buffer.concat([indexPrefix(indexId), Buffer.of(field + 1)]);
  }

  partition(tag: Buffer): PartitionKeys {
    return new PartitionKeys(this.prefix, tag);
  }

  catalogueRange(): KeyRange {
    return { start: this.join(CATALOGUE), end: this.join(CATALOGUE + 1) };
  }

  tagOfCatalogueKey(key: Buffer): Buffer {
    return Buffer.from(key.subarray(this.prefix.length + 1));
  }

  private join(kind: number): Buffer {
    return Buffer.concat([this.prefix, Buffer.of(kind)]);
  }
}

export class PartitionKeys {
  readonly catalogue: Buffer;
  private readonly rows: Buffer;

  constructor(fieldPrefix: Buffer, tag: Buffer) {
    this.catalogue = Buffer.concat([fieldPrefix, Buffer.of(CATALOGUE), tag]);
    this.rows = Buffer.concat([fieldPrefix, Buffer.of(ROWS), tag]);
  }

  slots(number: number): Buffer {
    return this.numbered(SLOTS, number);
  }

  vectors(number: number): Buffer {
    return this.numbered(VECTORS, number);
  }

  change(docKey: Buffer): Buffer {
    return Buffer.concat([this.rows, Buffer.of(CHANGES), partTag(docKey)]);
  }

  segmentNumber(slotsKey: Buffer): number {
    return slotsKey.readUInt32BE(slotsKey.length - 4);
  }

  slotsRange(): KeyRange {
    return { start: this.join(SLOTS), end: this.join(SLOTS + 1) };
  }

  changesRange(): KeyRange {
    return { start: this.join(CHANGES), end: this.join(CHANGES + 1) };
  }

  /** Segments and changes alike. */
  rowsRange(): KeyRange {
    return { start: this.join(SLOTS), end: this.join(CHANGES + 1) };
  }

  private join(kind: number): Buffer {
    return Buffer.concat([this.rows, Buffer.of(kind)]);
  }

  private numbered(kind: number, number: number): Buffer {
    const suffix = Buffer.alloc(5);
    suffix.writeUInt8(kind);
    suffix.writeUInt32BE(number, 1);
    return Buffer.concat([this.rows, suffix]);
  }
}
