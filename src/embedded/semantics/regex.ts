/*
 * MongoDB's regular expressions (PCRE2) as JavaScript ones, translated where the two read a sign differently.
 * What JavaScript cannot express is refused; nothing is matched by a different meaning in silence.
 */
import { EngineError } from "../engine-error.js";
import type { RegexParts } from "./compare.js";

/** PCRE's `$` also stands before a newline that ends the text; JavaScript's does not. */
const END_OR_LAST_NEWLINE = "(?=\\n?(?![\\s\\S]))";
const ESCAPES: Readonly<Record<string, string>> = {
  A: "(?<![\\s\\S])",
  z: "(?![\\s\\S])",
  Z: END_OR_LAST_NEWLINE,
  h: "[ \\t]",
  R: "(?:\\r\\n|[\\n\\v\\f\\r\\x85\\u2028\\u2029])",
};

/** Throws EngineError 51091 for an invalid pattern and 51108 for an unknown option. */
export function compileRegex({ pattern, options }: RegexParts): RegExp {
  const inline = /^\(\?([imsx]+)\)/.exec(pattern);
  const flags = new Set([...options, ...(inline?.[1] ?? "")]);
  for (const flag of flags) {
    if (!"imsxu".includes(flag)) throw new EngineError(51108, "Location51108", `invalid flag in regex options: ${flag}`);
  }
  const source = translate(pattern.slice(inline?.[0].length ?? 0), flags);
  const native = [...flags].filter((flag) => "ims".includes(flag)).join("");
  try {
    return new RegExp(source, `${native}u`);
  } catch {
    // Unicode mode forbids escapes that PCRE allows, such as `\-`; the older mode takes them.
    return compileLoose(source, native, pattern);
  }
}

function compileLoose(source: string, flags: string, pattern: string): RegExp {
  try {
    return new RegExp(source, flags);
  } catch (error) {
    throw invalid(pattern, error instanceof Error ? error.message : String(error));
  }
}

const invalid = (pattern: string, reason: string): EngineError =>
  new EngineError(51091, "Location51091", `Regular expression is invalid: ${reason} (in ${JSON.stringify(pattern)})`);

function translate(pattern: string, flags: ReadonlySet<string>): string {
  let out = "";
  let inClass = false;
  for (let i = 0; i < pattern.length; i++) {
    const sign = pattern[i]!;
    if (sign === "\\") {
      const next = pattern[++i] ?? "";
      out += (inClass ? undefined : ESCAPES[next]) ?? `\\${next}`;
    } else if (inClass) {
      if (sign === "[" && pattern[i + 1] === ":") throw invalid(pattern, "POSIX classes are not served");
      inClass = sign !== "]";
      out += sign;
    } else if (flags.has("x") && (sign === "#" || /\s/.test(sign))) {
      if (sign === "#") i = endOfLine(pattern, i);
    } else {
      inClass = sign === "[";
      out += translateSign(pattern, i, flags);
    }
  }
  return out;
}

function endOfLine(pattern: string, from: number): number {
  const end = pattern.indexOf("\n", from);
  return end < 0 ? pattern.length : end;
}

function translateSign(pattern: string, i: number, flags: ReadonlySet<string>): string {
  const sign = pattern[i]!;
  if (sign === "$" && !flags.has("m")) return END_OR_LAST_NEWLINE;
  if (sign === "." && !flags.has("s")) return "[^\\n]";
  if (sign === "+" && /[*+?}]/.test(pattern[i - 1] ?? "") && pattern[i - 2] !== "\\") throw invalid(pattern, "possessive quantifiers are not served");
  if (sign !== "(" || pattern[i + 1] !== "?") return sign;
  if (pattern.startsWith("(?>", i)) throw invalid(pattern, "atomic groups are not served");
  return sign;
}
