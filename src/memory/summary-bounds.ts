/** Upper bound of what a summary adds to a prompt besides its text: two markers, and the line that says what stands between them. */
export const summaryMarksTokens = 120;

/** A window of less than this has no room for a summary beside its turns. */
const windowTokensMin = 400;
/** Some 150 words: names, figures and decisions of an hour's talk. */
const tokensMax = 256;

/** Longest summary beside a window of so many tokens; undefined where there is none. */
export function summaryTokensMax(windowTokens: number): number | undefined {
  return windowTokens < windowTokensMin ? undefined : Math.min(tokensMax, Math.floor(windowTokens / 4));
}
