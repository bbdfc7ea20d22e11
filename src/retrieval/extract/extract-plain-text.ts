import { BlockCollector } from "./block-collector.js";
import type { ExtractedDocument } from "./extracted-document.js";

const underlinePattern = /^(=|-|~|\*)\1{2,}$/;
/** `3. Delivery`, `4.2 Prices`, `§ 7 Term`. */
const numberedPattern = /^(?:§\s*)?(\d{1,3}(?:\.\d{1,3}){0,3})[.)]?\s+\p{Lu}/u;
const bulletPattern = /^\s*(?:[-*•–]|\d{1,3}[.)]|[a-z][.)])\s+/;
const headingCharsMax = 80;

/** Plain text: paragraphs parted by blank lines; headings by the customs of plain text. */
export function extractPlainText(text: string): ExtractedDocument {
  const blocks = new BlockCollector();
  for (const paragraph of text.split(/\n[ \t]*\n/)) addParagraph(blocks, paragraph.split("\n").filter((line) => line.trim() !== ""));
  return blocks.finish();
}

function addParagraph(blocks: BlockCollector, lines: readonly string[]): void {
  const [first, second, ...rest] = lines;
  if (first === undefined) return;
  const title = first.trim();
  if (second !== undefined && underlinePattern.test(second.trim()) && title.length <= headingCharsMax) {
    blocks.heading(second.trim().startsWith("=") ? 1 : 2, title);
    return addParagraph(blocks, rest);
  }
  const level = headingLevel(title);
  // A heading stands alone, or at the head of lines that are plainly not its continuation.
  if (level !== undefined && (second === undefined || isShouted(title))) {
    blocks.heading(level, title);
    return addParagraph(blocks, lines.slice(1));
  }
  if (lines.some((line) => bulletPattern.test(line))) return blocks.lines(joinContinuations(lines));
  blocks.text(lines.join("\n"));
}

function headingLevel(line: string): number | undefined {
  if (line.length > headingCharsMax || /[.;:,?!]$/.test(line) || underlinePattern.test(line)) return undefined;
  const numbered = numberedPattern.exec(line);
  if (numbered !== null) return 2 + (numbered[1]?.split(".").length ?? 1) - 1;
  return isShouted(line) ? 1 : undefined;
}

function isShouted(line: string): boolean {
  return line.length <= headingCharsMax && /\p{Lu}{2}/u.test(line) && line === line.toUpperCase() && !/[.;,]$/.test(line) && !line.includes("|");
}

/** A bullet's further lines belong to it. */
function joinContinuations(lines: readonly string[]): readonly string[] {
  const items: string[] = [];
  for (const line of lines) {
    if (items.length === 0 || bulletPattern.test(line)) items.push(line.trim());
    else items.push(`${items.pop() ?? ""} ${line.trim()}`);
  }
  return items;
}
