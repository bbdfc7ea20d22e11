import { randomBytes } from "node:crypto";
import type { TenantId } from "../kernel/ids.js";

/** 96 random bits in letters that no tokenizer, stemmer or case folding takes apart. */
const canaryPattern = /zq[a-p]{24}/g;

export interface Canary {
  readonly text: string;
  /** Undefined for one that this audit did not make: of a run that was killed, or of another server's. */
  readonly tenantId: TenantId | undefined;
  readonly surface: string;
}

/**
 * Random words, each planted with one tenant in one place. Seen anywhere else it proves that something
 * got through, whatever the way. New ones every run: what a log still has of yesterday is not today's leak.
 */
export class Canaries {
  readonly #known = new Map<string, Canary>();

  make(tenantId: TenantId, surface: string): string {
    const letters = [...randomBytes(12).toString("hex")].map((digit) => String.fromCharCode(97 + Number.parseInt(digit, 16)));
    const text = `zq${letters.join("")}`;
    this.#known.set(text, { text, tenantId, surface });
    return text;
  }

  /** Canaries in the text that are not the tenant's and were not sent by whoever asked. */
  foreignIn(text: string, owner: TenantId, sent: string): readonly Canary[] {
    const found = new Map<string, Canary>();
    for (const canary of this.in(text)) {
      // An error may quote the question back: that tells the asker nothing.
      if (canary.tenantId !== owner && !sent.includes(canary.text)) found.set(canary.text, canary);
    }
    return [...found.values()];
  }

  /**
   * Those that this run made. What customers say passes by the taps as well, and whoever sends a word of
   * the same form must not be able to make a leak of it: a made one has 96 bits that nobody guesses.
   */
  madeIn(text: string): readonly Canary[] {
    return this.in(text).filter(({ tenantId }) => tenantId !== undefined);
  }

  in(text: string): readonly Canary[] {
    // Most answers hold none, and a search is cheaper than a pattern.
    if (!text.includes("zq")) return [];
    return [...text.matchAll(canaryPattern)].map(([word]) => this.#known.get(word) ?? { text: word, tenantId: undefined, surface: "an earlier audit" });
  }
}
