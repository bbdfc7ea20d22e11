import type { GuardAction } from "../tenancy/guard-policy.js";
import { findSensitive, keyBegins, keyEnds, type Found, type SensitiveSort } from "./sensitive-text.js";

export type SensitiveActions = Readonly<Record<SensitiveSort, GuardAction>>;

type Swallowing = { readonly until: "SPACE" } | { readonly until: "KEY_END"; tail: string };

/** Longest text held back, in UTF-16 units: a signed token with a page of claims. */
const heldMax = 4_096;
/** Kept of a text that outgrew it: an email address or a number may have begun there. */
const tailChars = 96;
/** The longest line that ends a private key. */
const keyEndChars = 80;

/**
 * Takes sensitive parts out of a text that comes in pieces. Nothing sensitive reaches from one
 * segment into the next, so a segment is released once its end is seen: mostly at the next word.
 * Works character by character, and so gives the same text however it was cut.
 */
export class Redactor {
  #segment = "";
  #swallowing: Swallowing | undefined;
  #blocked: string | undefined;

  constructor(
    private readonly actions: SensitiveActions,
    private readonly ownTenant: string,
    private readonly onFound: (found: Found) => void,
  ) {}

  /** Why nothing more may go out, or undefined. */
  get blocked(): string | undefined {
    return this.#blocked;
  }

  /** What may go out now. Nothing once `blocked`. */
  push(text: string): string {
    let out = "";
    // By UTF-16 unit: a chunk may end within a pair, and a pair is never a boundary.
    for (let at = 0; at < text.length && this.#blocked === undefined; at += 1) out += this.#take(text.charAt(at));
    return this.#blocked === undefined ? out : "";
  }

  flush(): string {
    const out = this.#swallowing === undefined ? this.#clean(this.#segment) : "";
    this.#segment = "";
    return this.#blocked === undefined ? out : "";
  }

  #take(character: string): string {
    if (this.#swallowing !== undefined) return this.#swallow(this.#swallowing, character);
    let out = "";
    if (isBoundary(this.#segment, character)) {
      out = this.#clean(this.#segment);
      this.#segment = "";
    }
    this.#segment += character;
    if (character === "-" && this.#segment.endsWith("KEY-----") && isActedOn(this.actions.SECRET)) out += this.#beginKey();
    if (this.#segment.length >= heldMax) out += this.#overflow();
    return out;
  }

  #beginKey(): string {
    const begun = keyBegins.exec(this.#segment);
    if (begun === null) return "";
    const out = this.#clean(this.#segment.slice(0, begun.index)) + this.#replace({ sort: "SECRET", name: "private key", start: 0, end: 0 });
    this.#segment = "";
    this.#swallowing = { until: "KEY_END", tail: "" };
    return out;
  }

  #swallow(state: Swallowing, character: string): string {
    if (state.until === "KEY_END") {
      state.tail = (state.tail + character).slice(-keyEndChars);
      if (character === "-" && keyEnds.test(state.tail)) this.#swallowing = undefined;
      return "";
    }
    if (!/\s/.test(character)) return "";
    this.#swallowing = undefined;
    this.#segment = character;
    return "";
  }

  /** A segment without an end: what was found in it goes, and a secret that may still be going on goes whole. */
  #overflow(): string {
    const openToken = isActedOn(this.actions.SECRET) ? /(?<![\w-])eyJ[\w-]{20,}(?:\.[\w-]*){0,2}$/.exec(this.#segment) : null;
    if (openToken !== null) {
      const out = this.#clean(this.#segment.slice(0, openToken.index)) + this.#replace({ sort: "SECRET", name: "token", start: 0, end: 0 });
      this.#segment = "";
      this.#swallowing = { until: "SPACE" };
      return out;
    }
    const found = this.#relevant(this.#segment);
    const last = found.at(-1);
    if (last?.end === this.#segment.length) {
      const out = this.#clean(this.#segment);
      this.#segment = "";
      this.#swallowing = { until: "SPACE" };
      return out;
    }
    const keptFrom = Math.max(last?.end ?? 0, this.#segment.length - tailChars);
    const out = this.#clean(this.#segment.slice(0, keptFrom));
    this.#segment = this.#segment.slice(keptFrom);
    return out;
  }

  #relevant(text: string): readonly Found[] {
    // Nothing that is looked for is shorter or without any of these.
    return text.length < 8 || !/[\d@_:=-]/.test(text) ? [] : findSensitive(text, this.ownTenant).filter(({ sort }) => this.actions[sort] !== "ALLOW");
  }

  #clean(text: string): string {
    let out = "";
    let from = 0;
    for (const found of this.#relevant(text)) {
      if (this.actions[found.sort] === "FLAG") {
        this.onFound(found);
        continue;
      }
      out += text.slice(from, found.start) + this.#replace(found);
      from = found.end;
    }
    return out + text.slice(from);
  }

  #replace(found: Found): string {
    this.onFound(found);
    if (this.actions[found.sort] === "BLOCK") this.#blocked = found.name;
    return `[${found.name}]`;
  }
}

/** Whether text has to be held back for it. */
export function isActedOn(action: GuardAction): boolean {
  return action === "REDACT" || action === "BLOCK";
}

/** Whether a new segment begins with this character: after white space, unless a number, a key's name or a key's heading goes on. */
function isBoundary(segment: string, character: string): boolean {
  if (/\s/.test(character) || !/\s/.test(segment.charAt(segment.length - 1))) return false;
  const before = segment.trimEnd();
  const spaces = segment.length - before.length;
  const last = before.at(-1) ?? "";
  if (spaces <= 2 && /[:=]/.test(last)) return false;
  if (spaces === 1 && /[\d)]/.test(last) && /[\d(A-Z]/.test(character)) return false;
  if (spaces === 1 && /[A-Z]/.test(last) && /\d/.test(character)) return false;
  // "password = x" and "tenant id is x" have a space before what tells them.
  if (spaces <= 2 && /[:=]/.test(character) && /[\w"']/.test(last)) return false;
  if (spaces === 1 && /(?:^|\W)tenant(?:[_ -]?id)?(?:["']?\s{0,2}is)?$/i.test(before)) return false;
  return !/-----BEGIN[A-Z0-9 ]{0,45}$/.test(before);
}
