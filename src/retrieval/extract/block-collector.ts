import { documentLimits } from "./document-limits.js";
import { cellSeparator, type Block, type ExtractedDocument } from "./extracted-document.js";
import { UnreadableDocument } from "./unreadable-document.js";

/** Gathers blocks in reading order and keeps the path of headings. Every extractor fills one. */
export class BlockCollector {
  readonly #blocks: Block[] = [];
  readonly #path: { readonly level: number; readonly text: string }[] = [];
  #headings: readonly string[] = [];
  /** A heading that nothing has followed yet. */
  #bare: string | undefined;
  #chars = 0;

  heading(level: number, raw: string): void {
    const text = oneLine(raw);
    if (text === "") return;
    // Some documents set whole paragraphs as headings, which would repeat on every chunk below.
    if (text.length > documentLimits.headingCharsMax || level > documentLimits.headingDepthMax) return this.text(text);
    this.#flushBareUnless(level);
    while ((this.#path.at(-1)?.level ?? 0) >= level) this.#path.pop();
    this.#path.push({ level, text });
    this.#count(text.length);
    this.#headings = Object.freeze(this.#path.map((heading) => heading.text));
    this.#bare = text;
  }

  text(raw: string): void {
    const text = tidy(raw);
    if (text !== "") this.#add({ kind: "TEXT", headings: this.#headings, text }, text.length);
  }

  lines(raw: readonly string[]): void {
    const lines = raw.map((line) => line.trimEnd()).filter((line) => line.trim() !== "");
    if (lines.length > 0) this.#add({ kind: "LINES", headings: this.#headings, lines }, lengthOf(lines));
  }

  /** The first row is the header. */
  table(cells: readonly (readonly string[])[]): void {
    const [header, ...rows] = cells.map((row) => row.map(oneLine).join(cellSeparator)).filter((row) => row.replaceAll(cellSeparator, "").trim() !== "");
    if (header === undefined) return;
    if (rows.length === 0) return this.text(header);
    this.#add({ kind: "TABLE", headings: this.#headings, header, rows }, header.length + lengthOf(rows));
  }

  finish(): ExtractedDocument {
    this.#flushBareUnless(0);
    if (this.#blocks.length === 0) throw new UnreadableDocument("a document without text", "text that can be searched");
    return { blocks: this.#blocks };
  }

  /** A heading above nothing (a title page, the last line) is text itself, or it would be lost. One above a deeper heading is in that one's path. */
  #flushBareUnless(deeperThan: number): void {
    const bare = this.#bare;
    const level = this.#path.at(-1)?.level ?? 0;
    if (bare === undefined || level < deeperThan) return;
    this.#bare = undefined;
    this.#blocks.push({ kind: "TEXT", headings: this.#headings, text: bare });
  }

  #add(block: Block, chars: number): void {
    this.#count(chars);
    this.#bare = undefined;
    this.#blocks.push(block);
  }

  #count(chars: number): void {
    this.#chars += chars;
    const { textCharsMax } = documentLimits;
    if (this.#chars > textCharsMax) throw new UnreadableDocument("a document with more text", `at most ${textCharsMax} characters of text`);
  }
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim();
}

/** Keeps line breaks, which may carry meaning (addresses, verses), and nothing else of the layout. */
function tidy(text: string): string {
  return text.split("\n").map(oneLine).filter((line) => line !== "").join("\n");
}

function lengthOf(lines: readonly string[]): number {
  return lines.reduce((sum, line) => sum + line.length, 0);
}
