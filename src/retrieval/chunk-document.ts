/**
 * Cuts an extracted document into the passages that are embedded, searched and quoted. Before it
 * come the extractors, after it the terms and the embedding. The same document gives the same chunks.
 */
import { piecesOf, type Piece } from "./chunk-pieces.js";
import { estimateTokens } from "./estimate-tokens.js";
import type { Block, ExtractedDocument } from "./extract/extracted-document.js";

export interface Chunk {
  readonly headings: readonly string[];
  readonly text: string;
}

/** A passage must fit one thought and not two: 160 to 220 tokens were best for both legs in the trial. */
export const chunkTokensMax = 220;
const chunkTokensTarget = 190;
/** About 15 % of a chunk, in whole pieces: an answer on the seam is complete in one of the two. */
const overlapTokensMax = 32;
/** A section smaller than this joins its neighbour: a passage of a few words is near to every short question. */
const sectionTokensMin = 40;
/** A section smaller than this is no passage at all (a date, a signature) and joins one of another heading if need be. */
const anySectionTokensMin = 16;

interface Section {
  readonly headings: readonly string[];
  readonly pieces: readonly Piece[];
  readonly tokens: number;
}

export function chunkDocument(document: ExtractedDocument): readonly Chunk[] {
  const depth = topLevelDepth(document.blocks);
  return joinSmall(sectionsOf(document.blocks), depth).flatMap(chunksOfSection);
}

/** Consecutive blocks under the same headings. */
function sectionsOf(blocks: readonly Block[]): readonly Section[] {
  const sections: { headings: readonly string[]; pieces: Piece[]; tokens: number }[] = [];
  for (const block of blocks) {
    const pieces = piecesOf(block, chunkTokensMax);
    const last = sections.at(-1);
    const tokens = sum(pieces);
    if (last !== undefined && samePath(last.headings, block.headings, Infinity)) {
      last.pieces.push(...pieces);
      last.tokens += tokens;
    } else {
      sections.push({ headings: block.headings, pieces: [...pieces], tokens });
    }
  }
  return sections;
}

/** The first level at which the document has several headings; above it is the document's own title. */
function topLevelDepth(blocks: readonly Block[]): number {
  const deepest = Math.max(0, ...new Set(blocks.map((block) => block.headings.length)));
  for (let depth = 1; depth <= deepest; depth += 1) {
    if (new Set(blocks.map((block) => block.headings.slice(0, depth).join("\n"))).size > 1) return depth;
  }
  return deepest;
}

/** Joins small sections with the one before under the same top-level heading; the lost heading becomes a line of the text. */
function joinSmall(sections: readonly Section[], depth: number): readonly Section[] {
  const joined: Section[] = [];
  for (const section of sections) {
    const last = joined.at(-1);
    if (last !== undefined && shouldJoin(last, section, depth)) {
      const merged = merge(last, section);
      if (merged.tokens <= chunkTokensTarget) {
        joined[joined.length - 1] = merged;
        continue;
      }
    }
    joined.push(section);
  }
  return joined;
}

function shouldJoin(last: Section, next: Section, depth: number): boolean {
  const smaller = Math.min(last.tokens, next.tokens);
  return smaller < anySectionTokensMin || (smaller < sectionTokensMin && samePath(last.headings, next.headings, depth));
}

function merge(first: Section, second: Section): Section {
  const shared = commonPath(first.headings, second.headings);
  const titles = (section: Section): readonly Piece[] => section.headings.slice(shared.length).map((text) => ({ text, joint: "\n", tokens: estimateTokens(text) }));
  const pieces = [...titles(first), ...first.pieces, ...titles(second), ...second.pieces];
  return { headings: shared, pieces, tokens: sum(pieces) };
}

function chunksOfSection(section: Section): readonly Chunk[] {
  // Equal shares: a tail of one sentence would be a passage without context.
  const count = section.tokens <= chunkTokensMax ? 1 : Math.ceil(section.tokens / chunkTokensTarget);
  const share = section.tokens / count;
  const chunks: Chunk[] = [];
  let current: Piece[] = [];
  let fresh = 0;
  for (const piece of section.pieces) {
    const full = fresh > 0 && (count > 1 && fresh >= share);
    if (fresh > 0 && (full || !fits(current, piece))) {
      chunks.push({ headings: section.headings, text: render(current) });
      current = overlapBefore(current, piece);
      fresh = 0;
    }
    current.push(piece);
    fresh += piece.tokens;
  }
  if (fresh > 0) chunks.push({ headings: section.headings, text: render(current) });
  return chunks;
}

/** The last pieces of the chunk before, as many as fit beside the first new one. */
function overlapBefore(previous: readonly Piece[], next: Piece): Piece[] {
  const overlap: Piece[] = [];
  for (const piece of previous.toReversed()) {
    const longer = [piece, ...overlap];
    // All of the chunk before again would be the same chunk.
    if (longer.length === previous.length || sum(longer) > overlapTokensMax || !fits(longer, next)) break;
    overlap.unshift(piece);
  }
  return overlap;
}

function fits(pieces: readonly Piece[], next: Piece): boolean {
  return estimateTokens(render([...pieces, next])) <= chunkTokensMax;
}

function render(pieces: readonly Piece[]): string {
  let text = "";
  for (const [index, piece] of pieces.entries()) {
    const before = pieces[index - 1];
    const begins = piece.header !== undefined && before?.header !== piece.header && before?.text !== piece.header;
    const own = begins ? `${piece.header}\n${piece.text}` : piece.text;
    text += index === 0 ? own : `${begins ? "\n" : piece.joint}${own}`;
  }
  return text;
}

function samePath(a: readonly string[], b: readonly string[], depth: number): boolean {
  const [x, y] = [a.slice(0, depth), b.slice(0, depth)];
  return x.length === y.length && x.every((heading, index) => heading === y[index]);
}

function commonPath(a: readonly string[], b: readonly string[]): readonly string[] {
  const end = a.findIndex((heading, index) => heading !== b[index]);
  return end < 0 ? a : a.slice(0, end);
}

function sum(pieces: readonly Piece[]): number {
  return pieces.reduce((total, piece) => total + piece.tokens, 0);
}
