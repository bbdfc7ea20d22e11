import { Parser } from "htmlparser2";
import { BlockCollector } from "./block-collector.js";
import { documentLimits } from "./document-limits.js";
import type { ExtractedDocument } from "./extracted-document.js";
import { UnreadableDocument } from "./unreadable-document.js";

/** Never shown as text by a browser. A style sheet or script in an answer would be noise at best. */
const droppedTags: ReadonlySet<string> = new Set(["script", "style", "noscript", "template", "svg", "math", "iframe", "object", "canvas", "select", "head"]);
const inlineTags: ReadonlySet<string> = new Set(
  "a abbr b bdi bdo cite code data del dfn em font i ins kbd label mark q s samp small span strong sub sup time tt u var wbr".split(" "),
);
const headingPattern = /^h([1-6])$/;

export function extractHtml(html: string): ExtractedDocument {
  const blocks = new BlockCollector();
  collectHtml(blocks, html);
  return blocks.finish();
}

/** Adds the text of an HTML page or fragment. The parser keeps its own stack on the heap, so deep nesting costs memory and never the call stack. */
export function collectHtml(blocks: BlockCollector, html: string): void {
  const reader = new HtmlReader(blocks);
  const parser = new Parser(
    {
      onopentag: (name, attributes) => reader.open(name, attributes),
      ontext: (text) => reader.text(text),
      onclosetag: (name) => reader.close(name),
    },
    { decodeEntities: true, lowerCaseTags: true },
  );
  parser.end(html);
  reader.flush();
}

class HtmlReader {
  #text = "";
  #openElements = 0;
  /** Open elements since the outermost dropped one; 0 outside. */
  #droppedDepth = 0;
  #preDepth = 0;
  #items: string[] | undefined;
  #listDepth = 0;
  #tableDepth = 0;
  #rows: string[][] = [];
  #row: string[] | undefined;

  constructor(private readonly blocks: BlockCollector) {}

  open(name: string, attributes: Readonly<Record<string, string>>): void {
    this.#openElements += 1;
    if (this.#openElements > documentLimits.nestingMax) throw new UnreadableDocument("HTML that is nested too deeply", `at most ${documentLimits.nestingMax} levels`);
    if (this.#droppedDepth > 0 || droppedTags.has(name) || isHidden(attributes)) {
      this.#droppedDepth += 1;
      return;
    }
    if (name === "br") this.#text += "\n";
    else if (name === "img") this.#text += attributes.alt === undefined ? "" : ` ${attributes.alt} `;
    else if (!inlineTags.has(name)) this.#openBlock(name);
  }

  text(text: string): void {
    if (this.#droppedDepth > 0) return;
    this.#text += this.#preDepth > 0 ? text : text.replaceAll(/\s+/g, " ");
  }

  close(name: string): void {
    this.#openElements -= 1;
    if (this.#droppedDepth > 0) {
      this.#droppedDepth -= 1;
      return;
    }
    if (inlineTags.has(name) || name === "br" || name === "img") return;
    this.#closeBlock(name);
  }

  flush(): void {
    this.#closeTable();
    this.#endItem();
    this.#closeList();
    this.#paragraph();
  }

  #openBlock(name: string): void {
    // Blocks inside a cell stay text of that cell.
    if (this.#tableDepth > 0) return this.#openInTable(name);
    if (name === "ul" || name === "ol") return this.#openList();
    if (name === "li") return this.#endItem();
    if (this.#listDepth > 0) {
      this.#text += " ";
      return;
    }
    this.#paragraph();
    if (name === "table") this.#tableDepth = 1;
    if (name === "pre") this.#preDepth += 1;
  }

  #closeBlock(name: string): void {
    if (this.#tableDepth > 0) return this.#closeInTable(name);
    if (name === "li") return this.#endItem();
    if (name === "ul" || name === "ol") return this.#closeOneList();
    if (this.#listDepth > 0) {
      this.#text += " ";
      return;
    }
    const level = headingPattern.exec(name)?.[1];
    if (level !== undefined) {
      this.blocks.heading(Number(level), this.#take());
    } else if (name === "pre") {
      this.#preDepth = Math.max(0, this.#preDepth - 1);
      this.blocks.lines(this.#take().split("\n"));
    } else {
      this.#paragraph();
    }
  }

  #openInTable(name: string): void {
    if (name === "table") this.#tableDepth += 1;
    else if (this.#tableDepth > 1) this.#text += " ";
    else if (name === "tr") this.#endRow();
    else if (name === "td" || name === "th") this.#endCell();
    else this.#text += " ";
  }

  #closeInTable(name: string): void {
    if (name === "table" && this.#tableDepth === 1) return this.#closeTable();
    if (name === "table") this.#tableDepth -= 1;
    else if (this.#tableDepth > 1) this.#text += " ";
    else if (name === "tr") this.#endRow();
    else if (name === "td" || name === "th") this.#endCell(true);
    else if (name === "caption") this.blocks.text(this.#take());
    else this.#text += " ";
  }

  #endCell(closes = false): void {
    const text = this.#take();
    this.#row ??= [];
    // An empty cell keeps its column; white space between two cells is no cell.
    if (closes || text.trim() !== "") this.#row.push(text);
  }

  #endRow(): void {
    const stray = this.#take();
    if (stray.trim() !== "") (this.#row ??= []).push(stray);
    if (this.#row !== undefined) this.#rows.push(this.#row);
    this.#row = undefined;
  }

  #closeTable(): void {
    if (this.#tableDepth === 0) return;
    this.#endRow();
    this.#tableDepth = 0;
    const rows = this.#rows;
    this.#rows = [];
    this.blocks.table(rows);
  }

  #openList(): void {
    if (this.#listDepth === 0) {
      this.#paragraph();
      this.#items = [];
    } else {
      this.#endItem();
    }
    this.#listDepth += 1;
  }

  #endItem(): void {
    if (this.#items === undefined) return;
    const text = this.#take().replaceAll(/\s+/g, " ").trim();
    if (text !== "") this.#items.push(`${"  ".repeat(Math.min(this.#listDepth, 8) - 1)}- ${text}`);
  }

  #closeOneList(): void {
    this.#endItem();
    this.#listDepth = Math.max(0, this.#listDepth - 1);
    if (this.#listDepth === 0) this.#closeList();
  }

  #closeList(): void {
    this.#listDepth = 0;
    const items = this.#items;
    this.#items = undefined;
    if (items !== undefined) this.blocks.lines(items);
  }

  #paragraph(): void {
    this.blocks.text(this.#take());
  }

  #take(): string {
    const text = this.#text;
    this.#text = "";
    return text;
  }
}

/** Text that no reader of the page sees is a known way to smuggle instructions into an answer. */
function isHidden(attributes: Readonly<Record<string, string>>): boolean {
  return "hidden" in attributes || /display\s*:\s*none|visibility\s*:\s*hidden/i.test(attributes.style ?? "");
}
