import { compress } from "@mongodb-js/zstd";

/** What does not shrink grows by a little: compressed, a piece stays below 4 MiB. */
export const pieceBytesMax = 4 * 1_048_576 - 65_536;
const compressionLevel = 3;

export function countPieces(bytes: number): number {
  return Math.ceil(bytes / pieceBytesMax);
}

/** A file of weights in the pieces that are stored, one at a time: memory stays that of the file and one piece. */
export async function* weightsPieces(file: Buffer): AsyncGenerator<{ readonly bytes: number; readonly zstd: Uint8Array }> {
  for (let start = 0; start < file.length; start += pieceBytesMax) {
    const piece = file.subarray(start, start + pieceBytesMax);
    yield { bytes: piece.length, zstd: await compress(piece, compressionLevel) };
  }
}
