import { BSON, type Document } from "mongodb";
import type { SealedFields } from "./sealed-fields.js";

/**
 * What lies in a row's blob: the sealed fields, the places they had in the row, and the keyed fields
 * in the clear. Places, because a mover compares rows byte by byte and BSON keeps the order of fields.
 * Keyed fields are JSON, which is read only when the row came with them: most readers leave them out.
 */
interface RowContent {
  readonly f: Document;
  readonly p: readonly number[];
  readonly k?: string;
}

/** Splits a row into what stays readable and what goes into the blob. `form` is how a word is kept readable. */
export function splitRow(row: Document, fields: SealedFields, form: (term: string) => string): { readonly clear: Document; readonly content: Uint8Array } {
  const clear: Document = {};
  const sealed: Document = {};
  const keyed: Record<string, unknown> = {};
  const places: number[] = [];
  Object.entries(row).forEach(([name, value], place) => {
    if (fields.sealed.includes(name)) {
      sealed[name] = value;
      places.push(place);
    } else if (fields.keyed.includes(name)) {
      keyed[name] = value;
      clear[name] = (value as readonly string[]).map(form);
    } else clear[name] = value;
  });
  const content: RowContent = { f: sealed, p: places, ...(fields.keyed.length === 0 ? {} : { k: JSON.stringify(keyed) }) };
  return { clear, content: BSON.serialize(content) };
}

/** The row as it was before `splitRow`, but for fields that were not read. */
export function joinRow(clear: Document, content: Uint8Array, fields: SealedFields): Document {
  const { f, p, k } = BSON.deserialize(content, { promoteBuffers: false }) as RowContent;
  const keyed = k !== undefined && fields.keyed.some((name) => name in clear) ? (JSON.parse(k) as Document) : {};
  const sealed = Object.entries(f);
  const row: Document = {};
  let [place, next] = [0, 0];
  const putSealed = (): void => {
    while (p[next] === place) {
      const [name, value] = sealed[next++] as [string, unknown];
      row[name] = value;
      place += 1;
    }
  };
  for (const name of Object.keys(clear)) {
    putSealed();
    row[name] = name in keyed ? keyed[name] : clear[name];
    place += 1;
  }
  // A row that was read without some fields has fewer places than it had.
  for (; next < sealed.length; next += 1) row[(sealed[next] as [string, unknown])[0]] = (sealed[next] as [string, unknown])[1];
  return row;
}
