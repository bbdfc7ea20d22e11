/** A stretch of a document under one path of headings, outermost first. Never empty. */
export type Block =
  | { readonly kind: "TEXT"; readonly headings: readonly string[]; readonly text: string }
  /** Items of a list or lines of code: may be parted between units, not within one if avoidable. */
  | { readonly kind: "LINES"; readonly headings: readonly string[]; readonly lines: readonly string[] }
  /** Rows with their cells joined; `header` is repeated wherever the table is parted. */
  | { readonly kind: "TABLE"; readonly headings: readonly string[]; readonly header: string; readonly rows: readonly string[] };

export interface ExtractedDocument {
  readonly blocks: readonly Block[];
}

/** Between the cells of a row. */
export const cellSeparator = " | ";
