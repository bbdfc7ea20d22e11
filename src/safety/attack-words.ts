import { concepts, wordRules, type WordRule } from "./attack-rules.js";

/** Blanks have the number 0. */
const ids = new Map<string, number>();
for (const words of concepts.values()) for (const word of words) if (!ids.has(word)) ids.set(word, ids.size + 1);

interface Step {
  /** By word number: 1 where the word stands for the step's concept. */
  readonly words: Uint8Array;
  readonly gapMax: number;
}

/** A rule in the form it is run in. */
export interface CompiledRule extends Pick<WordRule, "family" | "weight" | "isCommand"> {
  readonly steps: readonly Step[];
}

const tables = new Map<string, Uint8Array>();
function tableOf(concept: string): Uint8Array {
  let table = tables.get(concept);
  if (table === undefined) {
    table = new Uint8Array(ids.size + 1);
    for (const word of concepts.get(concept) ?? []) table[ids.get(word) ?? 0] = 1;
    tables.set(concept, table);
  }
  return table;
}

const compiledRules: readonly CompiledRule[] = wordRules.map(({ family, weight, isCommand, steps }) => ({
  family,
  weight,
  isCommand,
  steps: steps.map(({ concept, gapMax }) => ({ words: tableOf(concept), gapMax })),
}));

/** By the number of the word they begin with. */
export const rulesFrom: readonly (readonly CompiledRule[] | undefined)[] = Array.from({ length: ids.size + 1 }, (_, id) => {
  const rules = compiledRules.filter(({ steps }) => steps[0]?.words[id] === 1);
  return rules.length === 0 ? undefined : rules;
});

export const leads = tableOf("lead");
export const yous = tableOf("you");
export const roles = tableOf("markWord");
export const toId = ids.get("to") ?? 0;

const leetDigits: Readonly<Record<string, string>> = { "0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g", "@": "a", $: "s" };

/** The number of a word, read as leetspeak where it mixes letters with digits or signs; 0 for a blank. */
export function wordId(word: string): number {
  return ids.get(word) ?? 0;
}

export function leetId(word: string): number {
  const read = word.replace(/[^a-z]/g, (sign) => leetDigits[sign] ?? sign);
  // A one is an i or an l.
  return ids.get(read) ?? ids.get(word.replaceAll("1", "l").replace(/[^a-z]/g, (sign) => leetDigits[sign] ?? sign)) ?? 0;
}

const wordCharsMax = Math.max(...[...ids.keys()].map((word) => word.length));
/** Shorter ones occur in anything. */
const segmentCharsMin = 2;

/** Of letters that run together this part must be known words, or what looks like words in them is chance: "circumstances". */
const knownShareMin = 0.75;

/** The known words in letters that run together, longest first, as numbers with 0 for what lies between. Undefined where there are hardly any. */
export function segment(letters: string): readonly number[] | undefined {
  const found: number[] = [];
  let known = 0;
  for (let at = 0; at < letters.length; ) {
    const length = longestWord(letters, at);
    if (length > 0) {
      found.push(wordId(letters.slice(at, at + length)));
      known += length;
      at += length;
    } else {
      if (found.at(-1) !== 0) found.push(0);
      at += 1;
    }
  }
  return known >= knownShareMin * letters.length ? found : undefined;
}

function longestWord(letters: string, from: number): number {
  let longest = 0;
  let hash = 0;
  const end = Math.min(letters.length, from + wordCharsMax);
  for (let at = from; at < end; at += 1) {
    hash = hashStep(hash, letters.charCodeAt(at));
    const length = at + 1 - from;
    if (length >= segmentCharsMin && worthALook[hash] === 1 && ids.has(letters.slice(from, at + 1))) longest = length;
  }
  return longest;
}

/** Words that show, when met backwards or in rot13, that a text is to be read so. Too long to occur by chance. */
const tells = ["ignore", "disregard", "previous", "instructions", "instruction", "system", "prompt", "reveal", "password", "restrictions", "tenant", "override", "unfiltered"];
export const reversedTells: ReadonlySet<string> = new Set(tells.map((word) => [...word].toReversed().join("")));
export const rot13Tells: ReadonlySet<string> = new Set(tells.map(rot13));

/** A step of the hash by which a scan tells blanks without cutting them out of the text. */
export function hashStep(hash: number, code: number): number {
  return (Math.imul(hash, 31) + code) & hashMask;
}

const hashMask = 0x3fff;
/** 1 where a word that means something has the hash. */
export const worthALook = new Uint8Array(hashMask + 1);
for (const word of [...ids.keys(), ...reversedTells, ...rot13Tells]) {
  let hash = 0;
  for (let at = 0; at < word.length; at += 1) hash = hashStep(hash, word.charCodeAt(at));
  worthALook[hash] = 1;
}

export function rot13(text: string): string {
  return text.replace(/[a-z]/g, (letter) => String.fromCharCode(((letter.charCodeAt(0) - 84) % 26) + 97));
}
