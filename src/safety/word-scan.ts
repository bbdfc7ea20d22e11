import { hashStep, leetId, reversedTells, roles, rot13Tells, segment, wordId, worthALook } from "./attack-words.js";

/** Before a word: nothing, a mark at which a command may begin, or the end of a sentence. */
export type Break = 0 | 1 | 2;

/** A text as the rules see it. */
export interface WordScan {
  readonly ids: readonly number[];
  readonly breaks: readonly Break[];
  /** Runs of letters and digits long enough to be an encoded text, of digits alone, and pairs that may be hex. */
  readonly hasLongRun: boolean;
  readonly hasDigits: boolean;
  readonly hasPairs: boolean;
  /** Signs or role names without which no text forges a dialogue. */
  readonly hasMarks: boolean;
  readonly isReversed: boolean;
  readonly isRot13: boolean;
  /** Mostly single characters between spaces: a text that pushes what stands before it out of sight. */
  readonly isFlood: boolean;
}

/** Shortest encoded text looked at: "ignore all" in base64 has 16 letters. */
const longRunMin = 16;
/** Of a byte in binary. */
const byteDigits = 8;
const pairsMin = 6;
const floodChunksMin = 60;
/** Single letters in a row that are taken for a word written apart. */
const apartMin = 4;
/** Ordinary English has no longer words; what is longer may be several. */
const gluedMin = 14;
const apartMax = 600;

const Kind = { Space: 0, Word: 1, Apostrophe: 2, Minor: 3, Sentence: 4, Other: 5, Mark: 6 } as const;

const kinds = new Uint8Array(128).fill(Kind.Other);
for (const character of "abcdefghijklmnopqrstuvwxyz0123456789@$") kinds[character.charCodeAt(0)] = Kind.Word;
for (const character of " \t\r") kinds[character.charCodeAt(0)] = Kind.Space;
for (const character of ",;:\"()]}>|/\\`-+~\n") kinds[character.charCodeAt(0)] = Kind.Minor;
for (const character of "<[{%=#*") kinds[character.charCodeAt(0)] = Kind.Mark;
for (const character of ".!?") kinds[character.charCodeAt(0)] = Kind.Sentence;
kinds["'".charCodeAt(0)] = Kind.Apostrophe;

/** `text` is folded. One pass; linear in its length. */
export function scanWords(text: string): WordScan {
  const ids: number[] = [];
  const breaks: Break[] = [];
  let hasLongRun = false;
  let hasDigits = false;
  let pairs = 0;
  let hasMarks = text.includes("---");
  let isReversed = false;
  let isRot13 = false;
  let chunks = 0;
  let lonelyChunks = 0;
  let spaceAt = -1;
  let pendingBreak: Break = 2;
  /** Where the single letters that now stand in a row begin, in `ids`, and their places in the text. */
  let apart: number[] = [];

  const closeApart = (): void => {
    if (apart.length >= apartMin || (apart.length === 3 && isDotted(text, apart))) {
      const known = wordsApart(text, apart);
      if (known.some((id) => id > 0)) {
        const start = ids.length - apart.length;
        ids.length = start;
        breaks.length = start;
        for (const id of known) {
          ids.push(id);
          breaks.push(known.indexOf(id) === 0 ? 1 : 0);
        }
      }
    }
    apart = [];
  };

  for (let at = 0; at < text.length; ) {
    const code = text.charCodeAt(at);
    const kind = code < 128 ? kinds[code] : Kind.Word;
    if (kind !== Kind.Word) {
      if (kind === Kind.Sentence) pendingBreak = 2;
      else if (kind === Kind.Minor || kind === Kind.Mark) {
        if (pendingBreak === 0) pendingBreak = 1;
        if (kind === Kind.Mark) hasMarks = true;
      }
      if (kind === Kind.Space) {
        if (at - spaceAt > 1) {
          chunks += 1;
          if (at - spaceAt <= 3 && !isDigit(text.charCodeAt(at - 1))) lonelyChunks += 1;
        }
        spaceAt = at;
      }
      at += 1;
      continue;
    }
    const start = at;
    let hash = 0;
    let hasSign = false;
    let hasLetter = false;
    let hasApostrophe = false;
    for (; at < text.length; at += 1) {
      const next = text.charCodeAt(at);
      const nextKind = next < 128 ? kinds[next] : Kind.Word;
      if (nextKind === Kind.Word) {
        if (next >= 97) hasLetter = true;
        else hasSign = true;
        hash = hashStep(hash, next);
      } else if (nextKind === Kind.Apostrophe && at > start) hasApostrophe = true;
      else break;
    }
    const length = at - start;
    if (length === 1 && hasLetter) {
      if (apart.length < apartMax) apart.push(start);
    } else if (apart.length > 0) closeApart();
    if (length >= longRunMin) hasLongRun = true;
    if (length >= byteDigits && !hasLetter) hasDigits = true;
    if (length === 2 && (hasSign || !isCommonPair(text.charCodeAt(start), text.charCodeAt(start + 1)))) pairs += 1;
    let id = 0;
    if (worthALook[hash] === 1 || hasApostrophe || (hasSign && hasLetter)) {
      const word = readWord(text.slice(start, at), hasApostrophe, hasSign && hasLetter);
      id = word.id;
      if (roles[id] === 1) hasMarks = true;
      isReversed ||= word.isReversed;
      isRot13 ||= word.isRot13;
    }
    const parts = id === 0 && length >= gluedMin && !hasSign && length <= apartMax ? segment(text.slice(start, at)) : undefined;
    if (parts !== undefined) {
      for (const part of parts) {
        ids.push(part);
        breaks.push(pendingBreak);
        pendingBreak = 0;
      }
      continue;
    }
    ids.push(id);
    breaks.push(pendingBreak);
    pendingBreak = 0;
  }
  if (apart.length > 0) closeApart();
  return { ids, breaks, hasLongRun, hasDigits, hasPairs: pairs >= pairsMin, hasMarks, isReversed, isRot13, isFlood: lonelyChunks >= floodChunksMin && lonelyChunks > 0.6 * chunks };
}

function readWord(written: string, hasApostrophe: boolean, isMixed: boolean): { readonly id: number; readonly isReversed: boolean; readonly isRot13: boolean } {
  const word = hasApostrophe ? written.replaceAll("'", "") : written;
  let id = wordId(word);
  // "The company's" is the company.
  if (id === 0 && hasApostrophe && word.endsWith("s")) id = wordId(word.slice(0, -1));
  if (id === 0 && isMixed) id = leetId(word);
  return { id, isReversed: id === 0 && reversedTells.has(word), isRot13: id === 0 && rot13Tells.has(word) };
}

/** Two letters of which one is beyond f are a word and no byte in hex. */
function isCommonPair(first: number, second: number): boolean {
  return first > 102 || second > 102;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

/** "d.a.n", with nothing but a dot between its letters. */
function isDotted(text: string, places: readonly number[]): boolean {
  return places.every((place, index) => index === 0 || text.slice((places[index - 1] ?? 0) + 1, place) === ".");
}

/** The words that single letters spell. A wider space than the others ends a word; without one they are cut by what is known. */
function wordsApart(text: string, places: readonly number[]): readonly number[] {
  const gaps = places.slice(1).map((place, index) => place - (places[index] ?? 0));
  const narrow = Math.min(...gaps);
  let spelled = "";
  const words: string[] = [];
  for (const [index, place] of places.entries()) {
    if (index > 0 && (gaps[index - 1] ?? 0) > narrow) {
      words.push(spelled);
      spelled = "";
    }
    spelled += text[place] ?? "";
  }
  words.push(spelled);
  return words.flatMap((word) => (wordId(word) > 0 ? [wordId(word)] : (segment(word) ?? [0])));
}
