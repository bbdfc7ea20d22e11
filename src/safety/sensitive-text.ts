/** What must not stand in a text, by sort. Names are what a redaction leaves behind, in brackets. */
export type SensitiveSort = "SECRET" | "PERSONAL" | "FOREIGN_TENANT";

export interface Found {
  readonly sort: SensitiveSort;
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

interface Detector {
  readonly sort: SensitiveSort;
  readonly name: string;
  readonly pattern: RegExp;
  /** For what a pattern alone cannot tell. */
  readonly isReal?: (match: string) => boolean;
}

/** The beginning of a private key is the secret's: what follows is swallowed up to its end. */
export const keyBegins = /-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY-----/;
export const keyEnds = /-----END [A-Z0-9 ]{0,30}PRIVATE KEY-----$/;

const detectors: readonly Detector[] = [
  { sort: "SECRET", name: "private key", pattern: /-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY-----(?:[\s\S]*?-----END [A-Z0-9 ]{0,30}PRIVATE KEY-----|[\s\S]*)/g },
  // By the prefixes that their makers gave them so that they can be found.
  { sort: "SECRET", name: "api key", pattern: /(?<![A-Za-z0-9])(?:(?:AKIA|ASIA)[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,}|glpat-[\w-]{20,}|(?:sk|pk|rk)[-_](?:live|test|proj|ant|svcacct)[-_][\w-]{16,}|sk-[A-Za-z0-9]{20,}|xox[abeprs]-[\w-]{10,}|AIza[\w-]{35}|npm_[A-Za-z0-9]{36}|hf_[A-Za-z0-9]{30,}|SG\.[\w-]{16,}\.[\w-]{16,}|dop_v1_[0-9a-f]{40,}|ya29\.[\w-]{20,})/g },
  { sort: "SECRET", name: "token", pattern: /(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}/g },
  { sort: "SECRET", name: "connection string", pattern: /\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s:@/]{1,200}:[^\s@/]{1,200}@[^\s"'<>]+/gi },
  { sort: "SECRET", name: "secret", pattern: /\b(?:AccountKey|SharedAccessKey|pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|access[_-]?key|client[_-]?secret|auth[_-]?token)["']?\s{0,2}[:=]\s{0,2}["']?[^\s"',;]{8,}["']?/gi, isReal: isHardToGuess },
  { sort: "PERSONAL", name: "email", pattern: /(?<![\w.+-])[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,5}\.[A-Za-z]{2,24}(?![\w-])/g },
  { sort: "PERSONAL", name: "account number", pattern: /(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])/g, isReal: isIban },
  { sort: "PERSONAL", name: "card number", pattern: /(?<![\d.-])\d(?:[ -]?\d){12,18}(?![\d-])/g, isReal: isCard },
  { sort: "PERSONAL", name: "social security number", pattern: /(?<![\d-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])/g },
  { sort: "PERSONAL", name: "phone number", pattern: /(?<![\w.+-])(?<!\d )(?:(?:\+|00)\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,5}(?:[ ./-]?\d{2,5}){1,4}|\(0?\d{2,4}\)[ .-]?\d{3,5}(?:[ .-]?\d{2,5}){0,3}|0\d{1,4}[ /-]\d{3,8}(?:[ -]\d{2,5}){0,2}|\d{3}[.-]\d{3}[.-]\d{4})(?![\w-])/g, isReal: hasPhoneDigits },
];

const foreignTenant: RegExp = /\btenant[_ -]?id["']?\s{0,2}(?:[:=]|is)\s{0,2}["']?([a-z][a-z0-9-]{1,40})/gi;

/** Everything sensitive in a text, in order, without overlap: of two that do, the one that begins first. */
export function findSensitive(text: string, ownTenant: string): readonly Found[] {
  const found: Found[] = [];
  for (const { sort, name, pattern, isReal } of detectors) {
    for (const match of text.matchAll(pattern)) {
      if (isReal !== undefined && !isReal(match[0])) continue;
      found.push({ sort, name, start: match.index, end: match.index + match[0].length });
    }
  }
  for (const match of text.matchAll(foreignTenant)) {
    if (match[1]?.toLowerCase() !== ownTenant) found.push({ sort: "FOREIGN_TENANT", name: "tenant", start: match.index, end: match.index + match[0].length });
  }
  if (found.length < 2) return found;
  const kept: Found[] = [];
  for (const next of found.toSorted((a, b) => a.start - b.start || b.end - a.end)) if (next.start >= (kept.at(-1)?.end ?? 0)) kept.push(next);
  return kept;
}

/** "password: required" is prose; a password has more than letters. */
function isHardToGuess(assignment: string): boolean {
  const value = assignment.replace(/^[^:=]*[:=]\s*["']?/, "");
  return /\d/.test(value) && /[A-Za-z]/.test(value);
}

/** ISO 13616: the first four characters last, letters as 10 to 35, the whole modulo 97 is 1. */
function isIban(written: string): boolean {
  const letters = written.replaceAll(" ", "");
  if (letters.length < 15 || letters.length > 34) return false;
  let rest = 0;
  for (const character of letters.slice(4) + letters.slice(0, 4)) rest = Number(`${rest}${Number.parseInt(character, 36)}`) % 97;
  return rest === 1;
}

/** ISO/IEC 7812: the check digit of Luhn, and a first digit that cards have. */
function isCard(written: string): boolean {
  const digits = written.replace(/\D/g, "");
  if (!/^[2-6]/.test(digits)) return false;
  let sum = 0;
  for (let place = 0; place < digits.length; place += 1) {
    const digit = Number(digits[digits.length - 1 - place]) * (place % 2 === 0 ? 1 : 2);
    sum += digit > 9 ? digit - 9 : digit;
  }
  return sum % 10 === 0;
}

/** E.164 has at most 15 digits; fewer than 9 are a part number as likely. */
function hasPhoneDigits(written: string): boolean {
  const { length } = written.replace(/\D/g, "");
  return length >= 9 && length <= 15;
}
