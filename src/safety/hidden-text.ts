import { rot13 } from "./attack-words.js";
import { foldText } from "./fold-text.js";
import type { WordScan } from "./word-scan.js";

/** Decoded texts looked at for one text, and characters of each: what is hidden deeper or longer is not looked for. */
const payloadsMax = 8;
const payloadCharsMax = 4_000;

const base64 = /[A-Za-z0-9+/_-]{16,}={0,2}/g;
const hexRun = /(?:[0-9a-f]{2}){8,}/gi;
const hexPairs = /(?:(?:\\x|0x)?[0-9a-f]{2}[\s,:]+){7,}(?:\\x|0x)?[0-9a-f]{2}\b|(?:\\x[0-9a-f]{2}){6,}/gi;
const binary = /(?:[01]{8}\s*){6,}/g;
const escapes = /(?:%[0-9a-f]{2}|\\u[0-9a-f]{4}|&#x?[0-9a-f]{1,6};|&[a-z]{2,8};)/i;
/** Characters of the tag block show nothing, and models read them as the ASCII they stand for. */
const tags = /[\u{e0020}-\u{e007e}]{4,}/gu;

/**
 * What a text says once decoded: base64, hex, binary, escapes of URLs, HTML and JavaScript, tag
 * characters, rot13, and letters backwards. One layer, bounded, folded. Empty for nearly every text.
 */
export function hiddenTexts(text: string, folded: string, scan: WordScan): readonly string[] {
  const found: string[] = [];
  if (scan.isReversed) found.push([...folded].toReversed().join(""));
  if (scan.isRot13) found.push(rot13(folded));
  if (scan.hasLongRun) {
    collect(found, text, base64, (run) => Buffer.from(run, "base64").toString("utf8"));
    collect(found, text, hexRun, (run) => Buffer.from(run, "hex").toString("utf8"));
  }
  if (scan.hasDigits) collect(found, text, binary, fromBinary);
  if (scan.hasPairs || text.includes("\\x")) collect(found, text, hexPairs, (run) => Buffer.from(run.replace(/\\x|0x|[\s,:]/gi, ""), "hex").toString("utf8"));
  if ((text.includes("%") || text.includes("\\") || text.includes("&")) && escapes.test(text)) found.push(unescape(text));
  if (text.includes("\udb40")) collect(found, text, tags, (run) => [...run].map((sign) => String.fromCharCode((sign.codePointAt(0) ?? 0) - 0xe0000)).join(""));
  return found.slice(0, payloadsMax).map((payload) => foldText(payload.slice(0, payloadCharsMax)));
}

function collect(into: string[], text: string, pattern: RegExp, decode: (run: string) => string): void {
  for (const [run] of text.matchAll(pattern)) {
    if (into.length >= payloadsMax) return;
    const decoded = decode(run.slice(0, 2 * payloadCharsMax));
    if (isReadable(decoded)) into.push(decoded);
  }
}

/** Words decode into noise; a hidden text is letters, and spaces between them. */
function isReadable(decoded: string): boolean {
  return decoded.length >= 6 && /^[\p{L}\p{P}\p{N}\s=<>|`$+]*$/u.test(decoded) && /[a-z]{3}/i.test(decoded);
}

function fromBinary(run: string): string {
  return (run.match(/[01]{8}/g) ?? []).map((byte) => String.fromCharCode(Number.parseInt(byte, 2))).join("");
}

const entities: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'", nbsp: " " };

function unescape(text: string): string {
  return text.replace(/%([0-9a-f]{2})|\\u([0-9a-f]{4})|&#x([0-9a-f]{1,6});|&#(\d{1,7});|&([a-z]{2,8});/gi, (whole: string, url?: string, unicode?: string, hex?: string, decimal?: string, name?: string) => {
    const digits = url ?? unicode ?? hex;
    const code = digits === undefined ? Number(decimal) : Number.parseInt(digits, 16);
    if (name !== undefined) return entities[name.toLowerCase()] ?? whole;
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}
