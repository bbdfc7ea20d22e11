/**
 * The text as a reader takes it: compatibility forms unified, invisible characters gone, one case,
 * single spaces. Without it "ｉｇｎｏｒｅ" or a zero-width space within a word walks past every pattern.
 */
export function normaliseForGuard(text: string): string {
  return text
    .normalize("NFKC")
    .replace(/\p{Cf}|\p{M}(?=\p{M}{3})/gu, "")
    .toLowerCase()
    .replace(/[^\S\n]+/gu, " ");
}
