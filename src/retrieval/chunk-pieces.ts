import { estimateTokens } from "./estimate-tokens.js";
import type { Block } from "./extract/extracted-document.js";

/** What chunks are packed from and never cut within: a sentence, a line, a row. */
export interface Piece {
  readonly text: string;
  /** With what follows the previous piece when both are in one chunk. */
  readonly joint: " " | "\n";
  readonly tokens: number;
  /** The header row of the table this is a row of: a chunk that begins inside the table begins with it. */
  readonly header?: string;
}

/** A header longer than this share of a chunk is an ordinary row: repeating it would leave no room for rows. */
const headerShareMax = 0.4;

/** A sentence ends at its mark when white space and something that can begin a sentence follow. */
const sentenceEnd = /(?<=[.!?…]["'”’)\]]?)\s+(?=["'“‘([]?[\p{Lu}\p{N}])/u;

export function piecesOf(block: Block, tokensMax: number): readonly Piece[] {
  switch (block.kind) {
    case "TEXT":
      return block.text.split("\n").flatMap((line) => sentences(line, tokensMax));
    case "LINES":
      return block.lines.flatMap((line) => cut(line, tokensMax).map((text, index) => piece(text, index === 0 ? "\n" : " ")));
    case "TABLE":
      return rows(block.header, block.rows, tokensMax);
  }
}

function sentences(line: string, tokensMax: number): readonly Piece[] {
  return line
    .split(sentenceEnd)
    .flatMap((sentence) => cut(sentence, tokensMax))
    .map((text, index) => piece(text, index === 0 ? "\n" : " "));
}

function rows(header: string, body: readonly string[], tokensMax: number): readonly Piece[] {
  const headerTokens = estimateTokens(`${header}\n`);
  if (headerTokens > tokensMax * headerShareMax) return [header, ...body].flatMap((row) => cut(row, tokensMax).map((text) => piece(text, "\n")));
  const room = tokensMax - headerTokens;
  return [piece(header, "\n"), ...body.flatMap((row) => cut(row, room).map((text) => ({ ...piece(text, "\n"), header })))];
}

function piece(text: string, joint: " " | "\n"): Piece {
  return { text, joint, tokens: estimateTokens(text) };
}

/** Cuts what is longer than a chunk at white space, and a run without any between characters. */
function cut(text: string, tokensMax: number): readonly string[] {
  if (estimateTokens(text) <= tokensMax) return text.trim() === "" ? [] : [text];
  const parts: string[] = [];
  let current = "";
  for (const word of text.split(/\s+/).flatMap((run) => cutRun(run, tokensMax))) {
    const longer = current === "" ? word : `${current} ${word}`;
    if (current !== "" && estimateTokens(longer) > tokensMax) {
      parts.push(current);
      current = word;
    } else {
      current = longer;
    }
  }
  if (current !== "") parts.push(current);
  return parts;
}

function cutRun(run: string, tokensMax: number): readonly string[] {
  if (estimateTokens(run) <= tokensMax) return run === "" ? [] : [run];
  const parts: string[] = [];
  let start = 0;
  while (start < run.length) {
    let end = Math.min(run.length, start + tokensMax);
    // Half of a surrogate pair is no character and would be stored as a replacement mark.
    const code = run.charCodeAt(end - 1);
    if (end < run.length && code >= 0xd800 && code <= 0xdbff) end -= 1;
    parts.push(run.slice(start, end));
    start = end;
  }
  return parts;
}
