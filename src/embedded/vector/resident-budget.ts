import { totalmem } from "node:os";

const MEBIBYTE = 1_024 * 1_024;
/** About 87,000 vectors of 512 dimensions: what a small tenant base searches in an hour. */
const BYTES_MIN = 192 * MEBIBYTE;
/** A million vectors of 512 dimensions: past it one process is the wrong place, whatever its memory. */
const BYTES_MAX = 2_048 * MEBIBYTE;
/** The rest is for documents, the page cache that serves LMDB, and the process around the engine. */
const MEMORY_SHARE = 1 / 8;

/**
 * Bytes of hot vectors kept in memory when nobody says: an eighth of the machine's memory, or of what a
 * container may use. A partition past it is read from disk at every search, some hundred times slower.
 */
export function residentBytesDefault(machineBytes = totalmem(), allowedBytes = process.constrainedMemory()): number {
  const bytes = allowedBytes > 0 && allowedBytes < machineBytes ? allowedBytes : machineBytes;
  return Math.floor(Math.min(BYTES_MAX, Math.max(BYTES_MIN, bytes * MEMORY_SHARE)));
}
