import { lexer, type MarkedToken, type Token, type Tokens } from "marked";
import { BlockCollector } from "./block-collector.js";
import { collectHtml } from "./extract-html.js";
import type { ExtractedDocument } from "./extracted-document.js";

/** Parsers of untrusted text recurse; marked does it per level of quotes and lists. */
const nestingMax = 100;
const frontMatterPattern = /^---\n([\s\S]*?)\n---(?:\n|$)/;

/** Markdown, as CommonMark with GitHub's tables. Markup is dropped, its text and the targets of links are kept. */
export function extractMarkdown(text: string): ExtractedDocument {
  const blocks = new BlockCollector();
  const frontMatter = frontMatterPattern.exec(text);
  // Read as Markdown it would turn into a heading, the dashes being an underline.
  if (frontMatter !== null) blocks.lines((frontMatter[1] ?? "").split("\n"));
  addTokens(blocks, lexer(frontMatter === null ? text : text.slice(frontMatter[0].length)), 0);
  return blocks.finish();
}

function addTokens(blocks: BlockCollector, tokens: readonly Token[], depth: number): void {
  for (const token of tokens as readonly MarkedToken[]) addToken(blocks, token, depth);
}

function addToken(blocks: BlockCollector, token: MarkedToken, depth: number): void {
  switch (token.type) {
    case "heading":
      return blocks.heading(token.depth, inline(token));
    case "table":
      return blocks.table([token.header, ...token.rows].map((row) => row.map(inline)));
    case "list":
      return blocks.lines(listLines(token, depth));
    case "code":
      return blocks.lines(token.text.split("\n"));
    case "html":
      return collectHtml(blocks, token.text);
    case "blockquote":
      return depth < nestingMax ? addTokens(blocks, token.tokens, depth + 1) : blocks.text(token.text);
    case "space":
    case "hr":
    case "def":
      return;
    default:
      return blocks.text(inline(token));
  }
}

function listLines(list: Tokens.List, depth: number): readonly string[] {
  return list.items.flatMap((item, index) => {
    const mark = list.ordered ? `${Number(list.start) + index}.` : "-";
    const own = item.tokens.filter((token) => token.type !== "list").map((token) => inline(token)).filter((text) => text !== "");
    const inner = item.tokens.filter((token): token is Tokens.List => token.type === "list");
    const nested = depth < nestingMax ? inner.flatMap((child) => listLines(child, depth + 1)) : inner.map((child) => child.raw);
    return [`${mark} ${own.join(" ")}`, ...nested.map((line) => `  ${line}`)];
  });
}

function inline(token: Token | Tokens.TableCell): string {
  if ("type" in token) {
    if (token.type === "br") return "\n";
    if (token.type === "image") return (token as Tokens.Image).text;
    if (token.type === "html") return "";
    if (token.type === "link") return linkText(token as Tokens.Link);
  }
  const inner = "tokens" in token ? token.tokens : undefined;
  if (inner !== undefined && inner.length > 0) return inner.map(inline).join("");
  if ("text" in token && typeof token.text === "string") return unescapeEntities(token.text);
  return "raw" in token ? unescapeEntities(token.raw) : "";
}

/** A bare address is its own text; otherwise where it leads is part of what the document says. */
function linkText(link: Tokens.Link): string {
  const text = link.tokens.map(inline).join("");
  const isAddress = text === link.href || link.href === `mailto:${text}` || link.href.startsWith("#");
  return isAddress ? text : `${text} (${link.href})`;
}

/** The lexer of marked leaves escaping to its renderer, but an author's own entities are text by now. */
function unescapeEntities(text: string): string {
  return text.replaceAll("&nbsp;", " ").replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&quot;", "\"").replaceAll("&#39;", "'").replaceAll("&amp;", "&");
}
