import { chunkDocument } from "../chunk-document.js";
import type { ExtractedDocument } from "../extract/extracted-document.js";
import { countTerms } from "../terms.js";

/** A chunk with everything but its vector. */
export interface PreparedChunk {
  readonly ordinal: number;
  readonly headings: readonly string[];
  readonly text: string;
  /** The text with the title and headings it stands under, which say what it is about: this is embedded. */
  readonly embeddedText: string;
  readonly terms: readonly string[];
  readonly termCounts: readonly number[];
  readonly length: number;
}

export function prepareChunks(title: string, document: ExtractedDocument): readonly PreparedChunk[] {
  return chunkDocument(document).map(({ headings, text }, ordinal) => {
    const embeddedText = `${contextOf(title, headings)}\n${text}`;
    const { terms, counts, length } = countTerms(embeddedText);
    return { ordinal, headings, text, embeddedText, terms, termCounts: counts, length };
  });
}

function contextOf(title: string, headings: readonly string[]): string {
  return [...new Set([title, ...headings])].join(". ");
}
