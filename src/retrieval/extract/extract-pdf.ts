import { getDocumentProxy } from "unpdf";
import { documentLimits } from "./document-limits.js";
import type { ExtractedDocument } from "./extracted-document.js";
import { checkInflatedSize } from "./inflate-budget.js";
import { blocksOf } from "./pdf-blocks.js";
import { linesOf, type PdfLine, type PlacedText } from "./pdf-lines.js";
import { UnreadableDocument } from "./unreadable-document.js";

type Pdf = Awaited<ReturnType<typeof getDocumentProxy>>;

/** The text layer of a PDF. Pictures of text are not read: such a document is refused as one without text. */
export async function extractPdf(content: Uint8Array): Promise<ExtractedDocument> {
  const pdf = await openPdf(content);
  const pages: (readonly PdfLine[])[] = [];
  let chars = 0;
  for (let number = 1; number <= pdf.numPages; number += 1) {
    const lines = linesOf(await piecesOf(pdf, number));
    chars += lines.reduce((sum, line) => sum + line.cells.join("").length, 0);
    if (chars > documentLimits.textCharsMax) throw new UnreadableDocument("a PDF with more text", `at most ${documentLimits.textCharsMax} characters of text`);
    pages.push(lines);
  }
  return blocksOf(pages);
}

/** Opens the file, without its pages: tells a broken, encrypted or oversized PDF from a readable one. */
export async function openPdf(content: Uint8Array): Promise<Pdf> {
  checkInflatedSize(content, documentLimits.inflatedBytesMax);
  let pdf: Pdf;
  try {
    // The reader takes ownership of its bytes and refuses a Buffer. Fonts are not compiled into functions: a file must not bring code.
    pdf = await getDocumentProxy(new Uint8Array(content), { isEvalSupported: false, disableFontFace: true, useSystemFonts: false, stopAtErrors: false, verbosity: 0 });
  } catch (error) {
    throw unreadable(error);
  }
  if (pdf.numPages > documentLimits.pagesMax) throw new UnreadableDocument(`a PDF of ${pdf.numPages} pages`, `at most ${documentLimits.pagesMax} pages`);
  return pdf;
}

async function piecesOf(pdf: Pdf, number: number): Promise<readonly PlacedText[]> {
  try {
    const page = await pdf.getPage(number);
    const { items } = await page.getTextContent();
    page.cleanup();
    return items.flatMap((item) => ("str" in item ? [placed(item)] : []));
  } catch (error) {
    throw unreadable(error, ` on page ${number}`);
  }
}

function placed(item: { readonly str: string; readonly transform: readonly number[]; readonly width: number }): PlacedText {
  const [, , c = 0, d = 0, x = 0, y = 0] = item.transform;
  return { text: item.str, x, y, width: item.width, size: Math.hypot(c, d) };
}

function unreadable(error: unknown, where = ""): UnreadableDocument {
  const name = error instanceof Error ? error.name : "";
  if (name === "PasswordException") return new UnreadableDocument("an encrypted PDF", "a PDF that opens without a password");
  return new UnreadableDocument(`a broken PDF${where}`, "a PDF that can be read");
}
