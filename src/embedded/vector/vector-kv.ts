/**
 * What the vector index needs of the store.
 *
 * Values handed out belong to the caller: they must not change or be reused by a later call.
 * `range` goes in byte order from `start` inclusive to `end` exclusive. Inside a write transaction `get` and
 * `range` see what the same transaction has put; `put` and `remove` are called only there.
 */
export interface VectorKv {
  get(key: Buffer): Buffer | undefined;
  range(start: Buffer, end: Buffer): Iterable<{ key: Buffer; value: Buffer }>;
  put(key: Buffer, value: Buffer): void;
  remove(key: Buffer): void;
}
