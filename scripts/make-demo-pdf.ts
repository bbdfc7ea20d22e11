// Makes the one PDF among the demo documents out of its plain source, so that the text can be reviewed as text.
// Before it: tenants/acme/sources/torque-guide.txt. After it: tenants/acme/documents/torque-guide.pdf, which is committed.
import { readFile, writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

const SOURCE = new URL("../tenants/acme/sources/torque-guide.txt", import.meta.url);
const TARGET = new URL("../tenants/acme/documents/torque-guide.pdf", import.meta.url);

/** A4 in points of 1/72 inch. */
const PAGE_WIDTH_PT = 595;
const PAGE_HEIGHT_PT = 842;
const MARGIN_PT = 60;
/** Helvetica letters are 0.5 em wide on average; 0.53 leaves room for lines of wide ones. */
const AVERAGE_LETTER_EM = 0.53;
const COLUMN_PT = 115;

type Font = "F1" | "F2";
interface Style {
  readonly font: Font;
  readonly sizePt: number;
  readonly gapPt: number;
}
interface Placed {
  readonly text: string;
  readonly font: Font;
  readonly sizePt: number;
  readonly xPt: number;
  readonly yPt: number;
}

const BODY: Style = { font: "F1", sizePt: 10.5, gapPt: 8 };
const TITLE: Style = { font: "F2", sizePt: 18, gapPt: 14 };
const HEADING: Style = { font: "F2", sizePt: 13, gapPt: 8 };
const CELL: Style = { font: "F1", sizePt: 10, gapPt: 0 };

/**
 * Turns the source into a PDF: `# ` title, `## ` heading, `| a | b |` table row, `---` page break, else paragraphs.
 * The bytes depend on the source alone: no date and no random id. Throws a RangeError for a letter outside Latin-1
 * and for a page that overflows.
 */
export function renderPdf(source: string): Uint8Array {
  const pages = source.split(/^---$/m).map((page) => contentStream(placePage(page)));
  return assemble(pages);
}

function placePage(page: string): Placed[] {
  const placed: Placed[] = [];
  let yPt = PAGE_HEIGHT_PT - MARGIN_PT;
  for (const block of page.trim().split(/\n\s*\n/)) {
    for (const row of block.startsWith("|") ? block.split("\n") : [block.replaceAll("\n", " ")]) {
      const { style, text } = classify(row);
      const lines = row.startsWith("|") ? [text] : wrap(text, style);
      for (const line of lines) {
        yPt -= style.sizePt * 1.35;
        placed.push(...placeLine(line, row.startsWith("|"), style, yPt));
      }
      yPt -= style.gapPt;
    }
    yPt -= block.startsWith("|") ? BODY.gapPt : 0;
  }
  if (yPt < MARGIN_PT) throw new RangeError(`Page overflows: got ${yPt} pt left, expected at least ${MARGIN_PT}`);
  return placed;
}

function classify(row: string): { style: Style; text: string } {
  if (row.startsWith("## ")) return { style: HEADING, text: row.slice(3) };
  if (row.startsWith("# ")) return { style: TITLE, text: row.slice(2) };
  if (row.startsWith("|")) return { style: CELL, text: row };
  return { style: BODY, text: row };
}

function wrap(text: string, style: Style): string[] {
  const lettersMax = Math.floor((PAGE_WIDTH_PT - 2 * MARGIN_PT) / (style.sizePt * AVERAGE_LETTER_EM));
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    if (line !== "" && line.length + 1 + word.length > lettersMax) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

function placeLine(line: string, isRow: boolean, style: Style, yPt: number): Placed[] {
  const { font, sizePt } = style;
  if (!isRow) return [{ text: line, font, sizePt, xPt: MARGIN_PT, yPt }];
  const cells = line.split("|").slice(1, -1);
  return cells.map((cell, column) => ({ text: cell.trim(), font, sizePt, xPt: MARGIN_PT + column * COLUMN_PT, yPt }));
}

function contentStream(placed: readonly Placed[]): string {
  return placed
    .map(({ text, font, sizePt, xPt, yPt }) => `BT /${font} ${sizePt} Tf ${xPt} ${yPt.toFixed(2)} Td (${escapeText(text)}) Tj ET`)
    .join("\n");
}

function escapeText(text: string): string {
  // ISO 32000-1, 7.3.4.2: parentheses and backslash end or bend a literal string unless escaped.
  // WinAnsiEncoding equals Latin-1 from U+00A0 to U+00FF; what lies between U+0080 and U+009F would turn into other glyphs.
  for (const letter of text) {
    const code = letter.codePointAt(0) ?? 0;
    if (code > 0xff || (code > 0x7e && code < 0xa0)) {
      throw new RangeError(`Letter cannot be encoded: got U+${code.toString(16)}, expected Latin-1`);
    }
  }
  return text.replaceAll(/[\\()]/g, (letter) => `\\${letter}`);
}

/** Objects 1 to 4 are catalogue, page tree and the two fonts; each page then takes two, itself and its content. */
function assemble(streams: readonly string[]): Uint8Array {
  const pageIds = streams.map((_stream, index) => 5 + 2 * index);
  const objects = [
    "<< /Type /Catalog /Pages 2 0 R /Lang (en) >>",
    `<< /Type /Pages /Count ${streams.length} /Kids [${pageIds.map((id) => `${id} 0 R`).join(" ")}] >>`,
    "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>",
    ...streams.flatMap((stream, index) => [pageObject(6 + 2 * index), `<< /Length ${stream.length} >>\nstream\n${stream}\nendstream`]),
  ];
  return Buffer.from(serialize(objects), "latin1");
}

function pageObject(contentId: number): string {
  const resources = "<< /Font << /F1 3 0 R /F2 4 0 R >> >>";
  return `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 ${PAGE_WIDTH_PT} ${PAGE_HEIGHT_PT}] /Resources ${resources} /Contents ${contentId} 0 R >>`;
}

function serialize(objects: readonly string[]): string {
  // The text is Latin-1 throughout, one byte a letter, so string offsets are the byte offsets the table needs.
  let file = "%PDF-1.4\n%\u00e2\u00e3\u00cf\u00d3\n";
  const offsets: number[] = [];
  for (const [index, body] of objects.entries()) {
    offsets.push(file.length);
    file += `${index + 1} 0 obj\n${body}\nendobj\n`;
  }
  // ISO 32000-1, 7.5.4: each entry is exactly 20 bytes, hence the blank before the line end.
  const rows = offsets.map((offset) => `${String(offset).padStart(10, "0")} 00000 n \n`).join("");
  const trailer = `<< /Size ${objects.length + 1} /Root 1 0 R >>`;
  return `${file}xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${rows}trailer\n${trailer}\nstartxref\n${file.length}\n%%EOF\n`;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const pdf = renderPdf(await readFile(SOURCE, "utf8"));
  await writeFile(TARGET, pdf);
  process.stdout.write(`Wrote ${pdf.length} bytes to torque-guide.pdf\n`);
}
