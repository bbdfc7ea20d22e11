import { BSON, type Document } from "mongodb";
import type { SealedFields } from "./sealed-fields.js";

/**
 * What lies in a row's blob: the sealed fields, which are texts and bytes, and the keyed fields in
 * the clear. The latter are JSON, which is read only when the row came with them: most readers leave
 * them out.
 */
interface RowContent {
  readonly sealed: Document;
  readonly keyed: string;
}

/** Splits a row into what stays readable and what goes into the blob. `form` is how a word stays comparable. */
export function splitRow(row: Document, fields: SealedFields, form: (term: string) => string): { readonly readable: Document; readonly content: Uint8Array } {
  const readable: Document = { ...row };
  const sealed: Document = {};
  const keyed: Record<string, readonly string[]> = {};
  for (const name of fields.sealed) {
    if (!(name in row)) continue;
    sealed[name] = row[name] as unknown;
    delete readable[name];
  }
  for (const name of fields.keyed) {
    const words = row[name] as readonly string[];
    keyed[name] = words;
    readable[name] = words.map(form);
  }
  const content: RowContent = { sealed, keyed: fields.keyed.length === 0 ? "" : JSON.stringify(keyed) };
  return { readable, content: BSON.serialize(content) };
}

/** The row as it was before `splitRow`, but for fields that were not read. */
export function joinRow(readable: Document, content: Uint8Array, fields: SealedFields): Document {
  const { sealed, keyed } = BSON.deserialize(content) as RowContent;
  const row: Document = { ...readable, ...sealed };
  const words = fields.keyed.some((name) => name in readable) ? (JSON.parse(keyed) as Document) : {};
  for (const name of fields.keyed) if (name in readable) row[name] = words[name] as unknown;
  return row;
}
