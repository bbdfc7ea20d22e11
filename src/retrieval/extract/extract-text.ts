import type { MediaType } from "../../storage/tenant-store.js";
import { decodeUtf8 } from "./decode-utf8.js";
import type { ExtractedDocument } from "./extracted-document.js";
import { UnreadableDocument } from "./unreadable-document.js";

/**
 * Reads a document of any supported type. Runs in the reading thread. Throws `UnreadableDocument`,
 * and no other error for anything a document can contain.
 */
export async function extractText(content: Uint8Array, mediaType: MediaType): Promise<ExtractedDocument> {
  try {
    return await extractAs(content, mediaType);
  } catch (error) {
    // Parsers of nested formats recurse. The stack is whole again here, so this can be said safely.
    if (error instanceof RangeError) throw new UnreadableDocument("a document that is nested too deeply", "a document a person could read");
    throw error;
  }
}

/** What can be told without reading all of it. Throws `UnreadableDocument`. */
export async function probe(content: Uint8Array, mediaType: MediaType): Promise<void> {
  if (mediaType === "application/pdf") {
    const { openPdf } = await import("./extract-pdf.js");
    await (await openPdf(content)).cleanup();
  } else if (decodeUtf8(content).trim() === "") {
    throw new UnreadableDocument("a document without text", "text that can be searched");
  }
}

async function extractAs(content: Uint8Array, mediaType: MediaType): Promise<ExtractedDocument> {
  // Each extractor is loaded when it is first needed: the reader of PDF alone takes 100 ms.
  switch (mediaType) {
    case "text/plain":
      return (await import("./extract-plain-text.js")).extractPlainText(decodeUtf8(content));
    case "text/markdown":
      return (await import("./extract-markdown.js")).extractMarkdown(decodeUtf8(content));
    case "text/html":
      return (await import("./extract-html.js")).extractHtml(decodeUtf8(content));
    case "application/pdf":
      return (await import("./extract-pdf.js")).extractPdf(content);
  }
}
