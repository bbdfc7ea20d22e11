import { numberWords, synonyms } from "./question-words.js";

/** Longer runs are keys, hashes and encoded data; and a pattern that looks for endings takes time by the square of them. */
const wordCharsMax = 40;
/** Enough to see a full stop behind blanks and a quotation mark. */
const lookBackChars = 8;

/**
 * Words that are written with a capital where no sentence begins: the month of May, the company Will,
 * IT and US are names there and no empty words. Nothing can be told of a text all in capitals.
 */
export function namesOf(text: string): ReadonlySet<string> {
  if (text === text.toUpperCase()) return new Set();
  const names = new Set<string>();
  for (const match of text.matchAll(/\p{Lu}[\p{L}\p{N}\p{M}]*/gu)) {
    const [word] = match;
    const before = text.slice(Math.max(0, match.index - lookBackChars), match.index);
    // A capital inside a word begins none.
    if (/[\p{L}\p{N}\p{M}]$/u.test(before)) continue;
    const opensSentence = before.trim() === "" || /[.!?:;]\s*["'(«„]*$/u.test(before);
    const isAcronym = word.length > 1 && word === word.toUpperCase();
    if (word !== "I" && (!opensSentence || isAcronym)) names.add(word.toLowerCase());
  }
  return names;
}

/** "1,000", "1000" and "thousand" are one number. A name that bears digits, such as `AF-720`, is itself. Undefined for a word. */
export function numberOf(word: string): string | undefined {
  const spelled = numberWords.get(word);
  if (spelled !== undefined) return spelled;
  if (!/\p{N}/u.test(word)) return undefined;
  const plain = word.replace(/(?<=\d),(?=\d{3}(?!\d))/gu, "");
  return /^\d{1,15}(?:\.\d{1,15})?$/u.test(plain) ? String(Number(plain)) : plain;
}

/** Undoes plurals and endings of verbs, and nothing that makes another word: an employer is no employee. */
export function stemOf(word: string): string {
  const known = synonyms.get(word);
  if (known !== undefined) return baseOf(known);
  const base = baseOf(word);
  const other = synonyms.get(base) ?? synonyms.get(`${base}e`);
  return other === undefined ? base : baseOf(other);
}

export function baseOf(word: string): string {
  if (!/^[a-z]+$/u.test(word) || word.length < 4 || word.length > wordCharsMax) return word;
  let base = word;
  if (base.endsWith("ies") && base.length > 4) base = `${base.slice(0, -3)}y`;
  else if (/(?:ss|sh|ch|x|z)es$/u.test(base)) base = base.slice(0, -2);
  else if (/[^su]s$/u.test(base) && !base.endsWith("is")) base = base.slice(0, -1);
  const verb = /^(.*[aeiouy].*)(?:ing|ed)$/u.exec(base)?.[1];
  if (verb !== undefined && verb.length >= 3) base = /([^aeiousl])\1$/u.test(verb) ? verb.slice(0, -1) : verb;
  return base.length > 3 && base.endsWith("e") ? base.slice(0, -1) : base;
}
