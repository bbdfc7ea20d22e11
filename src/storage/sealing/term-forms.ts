import { createHmac } from "node:crypto";

/** 128 bits: no two words of a language share a form. */
const formBytes = 16;
/** A language's common word stems. Two generations of them in memory are about 1 MB a silo in use. */
const generationMax = 4_096;

/**
 * Words as keyed hashes (HMAC-SHA-256): the database can compare them and nobody without the key can
 * try a dictionary on them. How often each form occurs stays visible, as README says.
 */
export class TermForms {
  #young = new Map<string, string>();
  #old = new Map<string, string>();

  constructor(private readonly key: Buffer) {}

  of(term: string): string {
    const young = this.#young.get(term);
    if (young !== undefined) return young;
    const form = this.#old.get(term) ?? createHmac("sha256", this.key).update(term).digest().toString("base64url", 0, formBytes);
    // Whatever was not asked for during a whole generation is forgotten: cheaper than an order of use.
    if (this.#young.size >= generationMax) [this.#old, this.#young] = [this.#young, new Map()];
    this.#young.set(term, form);
    return form;
  }
}
