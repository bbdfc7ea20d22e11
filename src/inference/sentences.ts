/** Words whose full stop ends no sentence. Without them "Dr. Varnhagen" would be quoted as "Dr." */
const abbreviations: ReadonlySet<string> = new Set(["dr", "mr", "mrs", "ms", "prof", "st", "no", "nr", "vs", "etc", "e.g", "i.e", "ca", "approx", "fig", "inc", "ltd", "co", "art", "sec", "z.b", "d.h", "bzw"]);

/** A quotation longer than this is cut at a clause: tables and lists without full stops run on. */
const sentenceCharsMax = 500;

/** Splits a passage into sentences and list items in their order, trimmed, without headings' and lists' marks. */
export function splitSentences(text: string): readonly string[] {
  return text
    .split(/\n\s*\n|\n(?=\s*(?:[-*+•]|\d+[.)]|#|\|))/u)
    .flatMap((block) => splitBlock(block.replace(/\s+/gu, " ").trim()))
    .map((sentence) => sentence.replace(/^(?:#+|[-*+•]|>)\s+/u, "").trim())
    .filter((sentence) => /[\p{L}\p{N}]/u.test(sentence));
}

function splitBlock(block: string): readonly string[] {
  const sentences: string[] = [];
  let start = 0;
  for (const { index, 0: stop } of block.matchAll(/[.!?…]["'”’)\]]*\s+(?=["'“‘([]?[\p{Lu}\p{N}])/gu)) {
    if (endsInAbbreviation(block.slice(start, index))) continue;
    sentences.push(block.slice(start, index + stop.length).trim());
    start = index + stop.length;
  }
  sentences.push(block.slice(start));
  return sentences.flatMap(cutLong);
}

function endsInAbbreviation(before: string): boolean {
  const word = /[\p{L}.]+$/u.exec(before)?.[0].toLowerCase() ?? "";
  // A single letter is an initial: "J. Smith".
  return abbreviations.has(word) || /^\p{L}$/u.test(word);
}

function cutLong(sentence: string): readonly string[] {
  if (sentence.length <= sentenceCharsMax) return [sentence];
  const clause = Math.max(sentence.lastIndexOf("; ", sentenceCharsMax), sentence.lastIndexOf(" | ", sentenceCharsMax));
  const cut = clause > 0 ? clause + 2 : sentence.lastIndexOf(" ", sentenceCharsMax) + 1 || sentenceCharsMax;
  return [sentence.slice(0, cut).trim(), ...cutLong(sentence.slice(cut).trim())];
}
