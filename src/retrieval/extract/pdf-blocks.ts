import { BlockCollector } from "./block-collector.js";
import type { ExtractedDocument } from "./extracted-document.js";
import type { PdfLine } from "./pdf-lines.js";

/** Larger than body text by this factor: a heading. Footnotes and bold runs stay under it. */
const headingSizeMin = 1.12;
/** Of the font size, from line to line: more is a new paragraph. */
const lineGapMax = 1.65;
/** Distinct sizes that count as levels of heading. */
const headingLevelsMax = 4;
/** The tokens of a page number, such as `- 12 -` or `Page 3 of 8`. */
const pageNumberPattern = /^(?:page\s+)?[-–\s]*\d{1,4}(?:\s*(?:of|\/)\s*\d{1,4})?[-–\s]*$/i;

/** Reads structure out of sizes and gaps: headings are larger, paragraphs further apart, tables have columns. */
export function blocksOf(pages: readonly (readonly PdfLine[])[]): ExtractedDocument {
  const blocks = new BlockCollector();
  const levels = headingLevels(pages.flat());
  for (const page of pages) {
    for (const group of groupsOf(page.filter((line) => !pageNumberPattern.test(line.cells.join(" "))), levels)) addGroup(blocks, group, levels);
  }
  return blocks.finish();
}

function addGroup(blocks: BlockCollector, group: readonly PdfLine[], levels: ReadonlyMap<number, number>): void {
  const [first] = group;
  const level = first === undefined ? undefined : levels.get(rounded(first.size));
  if (level !== undefined) return blocks.heading(level, group.map((line) => line.cells.join(" ")).join(" "));
  if (isRow(first) && group.length > 1) return blocks.table(group.map((line) => line.cells));
  blocks.text(joinLines(group.map((line) => line.cells.join(" "))));
}

function groupsOf(lines: readonly PdfLine[], levels: ReadonlyMap<number, number>): readonly (readonly PdfLine[])[] {
  const groups: PdfLine[][] = [];
  for (const line of lines) {
    const group = groups.at(-1);
    const last = group?.at(-1);
    if (group !== undefined && last !== undefined && continues(last, line, levels)) group.push(line);
    else groups.push([line]);
  }
  return groups;
}

function continues(last: PdfLine, line: PdfLine, levels: ReadonlyMap<number, number>): boolean {
  if (levels.get(rounded(last.size)) !== levels.get(rounded(line.size))) return false;
  if (isRow(last) !== isRow(line)) return false;
  // Rows of a table are set wider than lines of a paragraph.
  const gap = (last.y - line.y) / Math.max(last.size, line.size, 1);
  return gap > 0 && gap <= lineGapMax * (isRow(line) ? 1.6 : 1);
}

function isRow(line: PdfLine | undefined): boolean {
  return (line?.cells.length ?? 0) > 1;
}

/** A word parted at the end of a line is put together again; other lines are parted by a space. */
function joinLines(lines: readonly string[]): string {
  return lines.reduce((text, line) => (/\p{Ll}-$/u.test(text) && /^\p{Ll}/u.test(line) ? text.slice(0, -1) + line : `${text}${text === "" ? "" : " "}${line}`), "");
}

/** Level of heading by font size, largest first. Body text is the size most characters have. */
function headingLevels(lines: readonly PdfLine[]): ReadonlyMap<number, number> {
  const charsBySize = new Map<number, number>();
  for (const line of lines) charsBySize.set(rounded(line.size), (charsBySize.get(rounded(line.size)) ?? 0) + line.cells.join("").length);
  const body = [...charsBySize].toSorted((a, b) => b[1] - a[1])[0]?.[0] ?? 0;
  const larger = [...charsBySize.keys()].filter((size) => size >= body * headingSizeMin).toSorted((a, b) => b - a);
  return new Map(larger.map((size, index) => [size, Math.min(index + 1, headingLevelsMax)]));
}

function rounded(size: number): number {
  return Math.round(size * 2) / 2;
}
