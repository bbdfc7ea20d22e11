/*
 * What can be read: the latest committed state, or the snapshot a transaction holds.
 * Before it: the LMDB file; after it: planner.ts, collection-reader.ts and work-unit.ts.
 */

export interface KeyValue {
  key: Buffer;
  value: Buffer;
}

export interface ReadView {
  get(key: Buffer): Buffer | undefined;
  /** At most `limit` entries of [start, end), from the end when `reverse`; copied, so no cursor stays open. */
  chunk(start: Buffer, end: Buffer, reverse: boolean, limit: number): KeyValue[];
  count(start: Buffer, end: Buffer): number;
}

/** findOne pays for few entries, long scans for few calls. */
const FIRST_CHUNK_ENTRIES = 16;
const CHUNK_ENTRIES_MAX = 512;

/**
 * Walks [start, end) in chunks that reposition by key. No LMDB cursor survives between two chunks, so a scan
 * may be suspended for minutes without pinning old pages.
 */
export function* walk(view: ReadView, start: Buffer, end: Buffer, reverse = false): Generator<KeyValue> {
  let from = start;
  let to = end;
  let limit = FIRST_CHUNK_ENTRIES;
  for (;;) {
    const entries = view.chunk(from, to, reverse, limit);
    yield* entries;
    const last = entries.at(-1);
    if (!last || entries.length < limit) return;
    if (reverse) to = last.key;
    else from = Buffer.concat([last.key, Buffer.from([0])]);
    limit = Math.min(limit * 4, CHUNK_ENTRIES_MAX);
  }
}
