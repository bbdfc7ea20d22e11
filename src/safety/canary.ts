import { createHash, randomBytes } from "node:crypto";

const randomDigits = 20;
const checkDigits = 4;
const shape = new RegExp(`^k[0-9a-f]{${randomDigits + checkDigits}}$`, "i");

/**
 * A word that no text contains by chance: 80 random bits, and a check sum by which a canary of any
 * other call is known as well. Letters and digits alone, so that it survives reformatting.
 */
export function newCanary(): string {
  const random = randomBytes(randomDigits / 2).toString("hex");
  return `k${random}${checkOf(random)}`;
}

function checkOf(random: string): string {
  return createHash("sha256").update(`bulkhead canary ${random}`).digest("hex").slice(0, checkDigits);
}

function isCanary(word: string): boolean {
  return shape.test(word) && checkOf(word.slice(1, 1 + randomDigits).toLowerCase()) === word.slice(1 + randomDigits).toLowerCase();
}

/** Whose prompt was given away: this call's, or another call's, which only a model that mixes calls can do. */
export type Leak = "OWN_CANARY" | "FOREIGN_CANARY";

/**
 * Watches one answer for the canary of its system prompt, and for those of others. A stream cannot be
 * taken back, so text that may be the beginning of one is held until the next part shows that it is not.
 */
export class CanaryGate {
  #held = "";
  #leak: Leak | undefined;

  constructor(private readonly canary: string) {}

  /** Set once a canary was seen: after it nothing may go out. */
  get leak(): Leak | undefined {
    return this.#leak;
  }

  /** The part of the answer that may go out now. Nothing after a leak. */
  push(text: string): string {
    const pending = this.#held + text;
    const from = this.#suspectFrom(pending);
    this.#held = this.#leak === undefined ? pending.slice(from) : "";
    return this.#leak === undefined ? pending.slice(0, from) : "";
  }

  /** What was still held when the answer ended: only a beginning, so it is let go. */
  flush(): string {
    const rest = this.#held;
    this.#held = "";
    return rest;
  }

  /** Where a text that may still become a canary begins, its length when nowhere. */
  #suspectFrom(pending: string): number {
    for (let at = 0; at < pending.length; at += 1) {
      if (pending[at]?.toLowerCase() !== this.canary[0]) continue;
      const matched = this.#match(pending, at);
      const word = pending.slice(at, at + 1 + randomDigits + checkDigits);
      if (matched === "WHOLE") this.#leak = "OWN_CANARY";
      else if (isCanary(word)) this.#leak = "FOREIGN_CANARY";
      if (this.#leak !== undefined) return at;
      if (matched === "OPEN" || (at + word.length === pending.length && /^k[0-9a-f]{0,23}$/i.test(word))) return at;
    }
    return pending.length;
  }

  /** Compares letters and digits alone: spaces, hyphens or invisible characters put between them hide nothing. */
  #match(pending: string, start: number): "WHOLE" | "OPEN" | "NONE" {
    let matched = 0;
    for (let at = start; at < pending.length; at += 1) {
      const character = pending[at]?.toLowerCase() ?? "";
      if (!/[a-z0-9]/u.test(character)) continue;
      if (character !== this.canary[matched]) return "NONE";
      matched += 1;
      if (matched === this.canary.length) return "WHOLE";
    }
    return "OPEN";
  }
}
