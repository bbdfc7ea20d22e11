/**
 * The one place where text is checked on its way to a model and back. Before it comes the question
 * as it was asked; after it the door, and on the way back the caller. Tripwires, not walls: what
 * keeps tenants apart is the store.
 */
import { refusal, type Refusal } from "../kernel/refusal.js";
import type { Telemetry } from "../kernel/telemetry.js";
import { scoreAttack } from "./attack-score.js";
import { newCanary, OutputGuard } from "./output-guard.js";

export interface WatchedAnswer {
  /** For the system prompt of this one call. */
  readonly canary: string;
  readonly guard: OutputGuard;
}

export class Guards {
  constructor(private readonly telemetry: Telemetry) {}

  /** A refusal, or undefined when the question may go on. */
  checkInput(question: string): Refusal | undefined {
    this.telemetry.count("guard_checks_total", { side: "input" });
    const { isAttack, family = "none" } = scoreAttack(question);
    if (!isAttack) return undefined;
    this.telemetry.count("guard_blocks_total", { side: "input", pattern: family });
    return inputBlocked();
  }

  /** To be opened once for every completion: the number of these equals the number of model calls. */
  watchOutput(): WatchedAnswer {
    this.telemetry.count("guard_checks_total", { side: "output" });
    const canary = newCanary();
    return { canary, guard: new OutputGuard(canary) };
  }
}

/** One text for all rules: naming the one that was tripped would teach how to step around it. */
function inputBlocked(): Refusal {
  return refusal("GUARDRAIL_BLOCKED", "The question looks like an attempt to change or read out the assistant's instructions, or to reach another tenant");
}
