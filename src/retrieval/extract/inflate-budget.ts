import { constants, inflateSync } from "node:zlib";
import { UnreadableDocument } from "./unreadable-document.js";

const marker = Buffer.from("stream");
const endMarker = Buffer.from("endstream");
/** Filters applied one upon the other: real files use one or two, a bomb multiplies with each. */
const layersMax = 3;
/** First byte of a zlib stream with the usual window, which is what writers of PDF make. */
const zlibHead = 0x78;

/**
 * Refuses a PDF whose compressed streams unpack to more than `bytesMax` together. The PDF reader
 * unpacks into buffers outside the JavaScript heap, which a worker's memory limit does not count, so
 * a bomb must be found before: here each stream is unpacked into the void, under a budget.
 */
export function checkInflatedSize(pdf: Uint8Array, bytesMax: number): void {
  const bytes = Buffer.from(pdf.buffer, pdf.byteOffset, pdf.byteLength);
  let left = bytesMax;
  for (let at = bytes.indexOf(marker); at >= 0; at = bytes.indexOf(marker, at + marker.length)) {
    // "endstream" holds the marker too.
    if (at >= 3 && bytes.toString("latin1", at - 3, at) === "end") continue;
    const start = afterLineBreak(bytes, at + marker.length);
    if (bytes[start] !== zlibHead) continue;
    const end = bytes.indexOf(endMarker, start);
    left -= unpackedSize(bytes.subarray(start, end < 0 ? bytes.length : end), left, bytesMax);
  }
}

function unpackedSize(packed: Uint8Array, left: number, bytesMax: number): number {
  let total = 0;
  let layer = packed;
  for (let depth = 0; layer[0] === zlibHead; depth += 1) {
    if (depth === layersMax) throw new UnreadableDocument("a PDF with streams packed in one another", `at most ${layersMax} layers`);
    const unpacked = inflateUnder(layer, left - total, bytesMax);
    if (unpacked === undefined) return total;
    total += unpacked.length;
    layer = unpacked;
  }
  return total;
}

/** Undefined for bytes that only look like a packed stream: the reader will not unpack them either. */
function inflateUnder(packed: Uint8Array, budget: number, bytesMax: number): Uint8Array | undefined {
  try {
    // SYNC_FLUSH takes what there is of a stream that was cut off, as readers of PDF do.
    return inflateSync(packed, { maxOutputLength: Math.max(1, budget), finishFlush: constants.Z_SYNC_FLUSH });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") {
      throw new UnreadableDocument("a PDF that unpacks to more", `at most ${bytesMax} bytes unpacked`);
    }
    return undefined;
  }
}

function afterLineBreak(bytes: Buffer, at: number): number {
  let start = at;
  if (bytes[start] === 0x0d) start += 1;
  if (bytes[start] === 0x0a) start += 1;
  return start;
}
