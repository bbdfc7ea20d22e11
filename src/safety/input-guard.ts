import { refusal, type Refusal } from "../kernel/refusal.js";
import { guardPatterns, type GuardPattern } from "./guard-patterns.js";
import { normaliseForGuard } from "./normalise.js";

/** The first pattern that a question trips, or undefined. */
export function trippedPattern(text: string): GuardPattern | undefined {
  const normalised = normaliseForGuard(text);
  return guardPatterns.find(({ pattern }) => pattern.test(normalised));
}

/** One text for all patterns: naming the one that was tripped would teach how to step around it. */
export function inputBlocked(): Refusal {
  return refusal("GUARDRAIL_BLOCKED", "The question looks like an attempt to change or read out the assistant's instructions, or to reach another tenant");
}
