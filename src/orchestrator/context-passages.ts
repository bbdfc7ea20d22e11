import type { Passage } from "../inference/inference-backend.js";
import type { RankedPassage } from "../retrieval/search-passages.js";
import type { Citation } from "./answer-event.js";

export interface ContextPassage extends Passage {
  readonly source: RankedPassage["chunk"];
  /** Of the document, when it was searched. */
  readonly documentVersion: number;
  /** Of the text alone. Counting is milliseconds a question, so it is done once. */
  readonly textTokens: number;
}

/** Upper bound of the tokens of a passage's fence and number: two markers of 24 hex digits come to about 50. */
export const passageMarksTokens = 60;

/** Longest quotation shown with a citation: about three lines. */
const snippetCharsMax = 280;

/** Passages in order of rank that fit into the budget. One whose document is gone meanwhile is left out. */
export function fitPassages(
  ranked: readonly RankedPassage[],
  documentOf: (passage: RankedPassage) => { readonly title: string; readonly version: number } | undefined,
  tokensMax: number,
  countTokens: (text: string) => number,
): readonly ContextPassage[] {
  const passages: ContextPassage[] = [];
  let left = tokensMax;
  for (const candidate of ranked) {
    const document = documentOf(candidate);
    if (document === undefined) continue;
    // "It is six weeks" says of what only under "Leaving > Notice period".
    const title = [...new Set([document.title, ...candidate.chunk.headings])].join(" > ");
    const textTokens = countTokens(candidate.chunk.text);
    const tokens = textTokens + countTokens(title) + passageMarksTokens;
    // A smaller one further down may still fit.
    if (tokens > left) continue;
    left -= tokens;
    passages.push({ label: String(passages.length + 1), title, text: candidate.chunk.text, score: candidate.score, source: candidate.chunk, documentVersion: document.version, textTokens });
  }
  return passages;
}

/** Citations in the order the answer names them. */
export function citationsOf(cited: readonly string[], passages: readonly ContextPassage[], answer: string): readonly Citation[] {
  return cited.flatMap((label) => {
    const passage = passages.find((candidate) => candidate.label === label);
    if (passage === undefined) return [];
    const { documentId, id: chunkId } = passage.source;
    return [{ documentId, chunkId, snippet: snippetOf(passage.text, label, answer), score: passage.score }];
  });
}

/** The passage from where the answer quotes it, or from its beginning when it was put in other words. */
function snippetOf(text: string, label: string, answer: string): string {
  const flat = text.replace(/\s+/gu, " ").trim();
  const before = answer.slice(0, Math.max(0, answer.indexOf(`[${label}]`))).trimEnd();
  // The last words before the citation; a quotation ends with them, and so does the sentence quoted.
  const tail = before.slice(-40);
  const end = tail.length < 20 ? -1 : flat.indexOf(tail);
  if (end < 0) return cut(flat);
  const stop = flat.lastIndexOf(". ", end);
  const start = stop < 0 || end - stop > snippetCharsMax ? Math.max(0, end + tail.length - snippetCharsMax) : stop + 2;
  return cut(flat.slice(start));
}

function cut(text: string): string {
  if (text.length <= snippetCharsMax) return text;
  const space = text.lastIndexOf(" ", snippetCharsMax);
  return `${text.slice(0, space > 0 ? space : snippetCharsMax)}…`;
}
