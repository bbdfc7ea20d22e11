/**
 * The embedded model looks at the first 128 tokens of a text and silently ignores the rest (seen:
 * two texts that differ from the 141st token on have the same vector). Longer texts are embedded in
 * windows, which are averaged.
 */
export const windowTokensMax = 120;

/** More windows than this add nothing to a mean; it bounds what one text can cost. */
const windowsMax = 32;

/** A word's tokens never exceed its characters by more than one; longer words are cut. */
const wordCharsMax = 64;

/** Splits at white space into windows of at most `windowTokensMax` tokens, of about equal size. */
export function textWindows(text: string, tokensOf: (text: string) => number): readonly string[] {
  const words = text.split(/\s+/).filter((word) => word !== "").flatMap(cutWord);
  const counts = words.map((word) => tokensOf(word));
  const total = counts.reduce((sum, count) => sum + count, 0);
  // Equal windows: a last one of three words would weigh as much in the mean as a full one.
  const target = Math.ceil(total / Math.ceil(total / windowTokensMax || 1));
  const windows: string[] = [];
  let current: string[] = [];
  let size = 0;
  for (const [index, word] of words.entries()) {
    const count = counts[index] ?? 0;
    if (current.length > 0 && (size + count > windowTokensMax || size >= target)) {
      windows.push(current.join(" "));
      if (windows.length === windowsMax) return windows;
      [current, size] = [[], 0];
    }
    current.push(word);
    size += count;
  }
  if (current.length > 0) windows.push(current.join(" "));
  return windows;
}

function cutWord(word: string): readonly string[] {
  if (word.length <= wordCharsMax) return [word];
  return Array.from({ length: Math.ceil(word.length / wordCharsMax) }, (_, i) => word.slice(i * wordCharsMax, (i + 1) * wordCharsMax));
}
