/*
 * Leaves top-level fields out of stored bytes without decoding the rest: a vector and two lists of
 * terms are most of a passage, and most readers want neither. Spec: "BSON 1.1", element layout.
 * Before it: find and aggregate; after it: the reply, or a decode of what is left.
 */

const HEADER_BYTES = 4;

/** The same bytes when nothing was dropped. Undefined when an element is of no type known here: the caller decodes instead. */
export function withoutFields(document: Buffer, dropped: ReadonlySet<string>): Buffer | undefined {
  const kept: Buffer[] = [];
  let keptFrom = HEADER_BYTES;
  const last = document.length - 1;
  let at = HEADER_BYTES;
  while (at < last) {
    const nameEnd = document.indexOf(0, at + 1);
    const end = nameEnd < 0 ? undefined : valueEnd(document, document[at] ?? 0, nameEnd + 1);
    if (end === undefined || end <= nameEnd || end > last) return undefined;
    if (dropped.has(document.toString("utf8", at + 1, nameEnd))) {
      if (at > keptFrom) kept.push(document.subarray(keptFrom, at));
      keptFrom = end;
    }
    at = end;
  }
  if (keptFrom === HEADER_BYTES) return document;
  kept.push(document.subarray(keptFrom));
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  header.writeInt32LE(kept.reduce((sum, part) => sum + part.length, HEADER_BYTES));
  return Buffer.concat([header, ...kept]);
}

function valueEnd(bytes: Buffer, type: number, at: number): number | undefined {
  switch (type) {
    case 0x06: // undefined
    case 0x0a: // null
    case 0x7f: // max key
    case 0xff: // min key
      return at;
    case 0x08: // boolean
      return at + 1;
    case 0x10: // int32
      return at + 4;
    case 0x01: // double
    case 0x09: // date
    case 0x11: // timestamp
    case 0x12: // int64
      return at + 8;
    case 0x07: // object id
      return at + 12;
    case 0x13: // decimal
      return at + 16;
    case 0x02: // string
    case 0x0d: // code
    case 0x0e: // symbol
      return at + 4 + bytes.readInt32LE(at);
    case 0x05: // binary, with its subtype
      return at + 5 + bytes.readInt32LE(at);
    case 0x03: // document
    case 0x04: // array
      return at + bytes.readInt32LE(at);
    default:
      return undefined;
  }
}
