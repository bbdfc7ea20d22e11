import { randomBytes } from "node:crypto";
import { refusal, type Refusal } from "../kernel/refusal.js";

/** A word that no text contains by chance: 96 random bits. Letters and digits alone, so that it survives reformatting. */
export function newCanary(): string {
  return `k${randomBytes(12).toString("hex")}`;
}

/**
 * Watches one answer for the canary of its system prompt. A stream cannot be taken back, so text
 * that may be the beginning of the canary is held until the next part shows that it is not.
 */
export class OutputGuard {
  #held = "";

  constructor(private readonly canary: string) {}

  /** The part of the answer that may go out now, or a refusal after which nothing may. */
  push(text: string): string | Refusal {
    const pending = this.#held + text;
    const from = this.#suspectFrom(pending);
    if (from === "LEAKED") {
      this.#held = "";
      return refusal("GUARDRAIL_BLOCKED", "The answer was stopped because it gave away the assistant's instructions");
    }
    this.#held = pending.slice(from);
    return pending.slice(0, from);
  }

  /** What was still held when the answer ended: only a beginning of the canary, so it is let go. */
  flush(): string {
    const rest = this.#held;
    this.#held = "";
    return rest;
  }

  /** Where a text that may still become the canary begins, its length when nowhere. */
  #suspectFrom(pending: string): number | "LEAKED" {
    for (let at = 0; at < pending.length; at += 1) {
      if (pending[at]?.toLowerCase() !== this.canary[0]) continue;
      const matched = this.#match(pending, at);
      if (matched === "WHOLE") return "LEAKED";
      if (matched === "OPEN") return at;
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
