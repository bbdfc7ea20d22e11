import type { Clock } from "../kernel/clock.js";
import { badUserInput } from "../kernel/errors.js";

export interface UsageRange {
  /** Inclusive; default: the first day of the current month in UTC. */
  readonly from?: Date;
  /** Exclusive; default: now. */
  readonly to?: Date;
}

/** A year and a day: bounds what one report reads, and still allows the same month of last year. */
const rangeDaysMax = 366;
const dayMs = 86_400_000;

/** Throws `BAD_USER_INPUT` for a range that is none or too long. */
export function usageRange(input: UsageRange, clock: Clock): { readonly from: Date; readonly to: Date } {
  const now = new Date(clock.now());
  const to = checked("to", input.to ?? now);
  const from = checked("from", input.from ?? new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1)));
  const lengthMs = to.getTime() - from.getTime();
  if (lengthMs <= 0) throw badUserInput("from", from.toISOString(), `a time before ${to.toISOString()}`);
  if (lengthMs > rangeDaysMax * dayMs) throw badUserInput("from", `${Math.ceil(lengthMs / dayMs)} days before to`, `at most ${rangeDaysMax} days`);
  return { from, to };
}

function checked(field: string, value: Date): Date {
  if (Number.isNaN(value.getTime())) throw badUserInput(field, "an invalid date", "a date and time");
  return value;
}
