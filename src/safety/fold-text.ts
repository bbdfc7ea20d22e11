import { latinOf } from "./confusables.js";

const typography: Readonly<Record<string, string>> = { "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "-", "\u2026": ".", "\u00a0": " " };

/** Combining marks, and characters that show nothing: format controls, variation selectors, fillers. */
const unseen = /[\p{M}\p{Cf}\u115f\u1160\u3164\uffa0]/gu;

/**
 * The text as a reader takes it, in lower-case ASCII as far as it can be: one form of each letter, no
 * accents, nothing invisible. Without it "ｉｇｎｏｒｅ", a Cyrillic "о" or a zero-width space within a
 * word walks past every rule.
 */
export function foldText(text: string): string {
  const lower = text.toLowerCase();
  if (isAscii(lower)) return lower;
  // Most texts beyond ASCII are so for their quotation marks and dashes alone: these need no Unicode.
  const plain = lower.replace(/[\u2018\u2019\u201c\u201d\u2013\u2014\u2026\u00a0]/g, (mark) => typography[mark] ?? mark);
  if (isAscii(plain)) return plain;
  return plain.normalize("NFKD").replace(unseen, "").toLowerCase().replace(/[^\0-\x7f]/gu, latinOf);
}

function isAscii(text: string): boolean {
  return !/[^\0-\x7f]/.test(text);
}
