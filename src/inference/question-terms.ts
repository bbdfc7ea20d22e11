/** Words that every question has: they say nothing of what it is about. */
const stopWords: ReadonlySet<string> = new Set(
  ("a about an and any are as at be been but by can could did do does for from had has have how i if in into is it its may me my of on or our " +
    "should so than that the their them then there these they this to us was we were what when where which who whom whose why will with would you your").split(" "),
);

/** Longest first, so that "ations" is not taken for "s". Replaced, not dropped, where the stem would part from its base form. */
const suffixes: readonly (readonly [suffix: string, instead: string])[] = [
  ["ational", "ate"], ["ations", "ate"], ["ation", "ate"], ["ements", ""], ["ement", ""], ["nesses", ""], ["ness", ""], ["ingly", ""], ["edly", ""],
  ["ments", ""], ["ment", ""], ["ities", "ity"], ["ings", ""], ["ies", "y"], ["ied", "y"], ["ing", ""], ["ely", ""], ["sses", "ss"],
  ["ed", ""], ["es", ""], ["ly", ""], ["er", ""], ["s", ""], ["e", ""],
];

/** A stem shorter than this means nothing any more: "ring" is not "r". */
const stemCharsMin = 3;

/**
 * Distinct terms of a text, stemmed. Coarser than the stemmer of the search: here a false match
 * only ranks a sentence within passages that the search has found already.
 */
export function termsOf(text: string): ReadonlySet<string> {
  const terms = new Set<string>();
  for (const word of text.normalize("NFKC").toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []) {
    if (!stopWords.has(word)) terms.add(stem(word));
  }
  return terms;
}

function stem(word: string): string {
  for (const [suffix, instead] of suffixes) {
    if (!word.endsWith(suffix) || word.length - suffix.length < stemCharsMin) continue;
    if (suffix === "s" && word.endsWith("ss")) continue;
    const base = undouble(word.slice(0, -suffix.length) + instead);
    // "ate" and "ity" end in a letter that is itself a suffix of the base form.
    return base.endsWith("e") ? base.slice(0, -1) : base;
  }
  return word;
}

/** "planned" and "plan" meet in "plan"; "ss" and "ll" belong to the word. */
function undouble(word: string): string {
  return /([^aeiousl])\1$/u.test(word) ? word.slice(0, -1) : word;
}
