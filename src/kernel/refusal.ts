import type { ErrorCode } from "./errors.js";

/** Codes that mean "not now" or "not this", as opposed to something having failed. */
export type RefusalCode = Extract<
  ErrorCode,
  "RATE_LIMITED" | "BUDGET_EXCEEDED" | "OVERLOADED" | "GUARDRAIL_BLOCKED"
>;

/**
 * A refusal is a value, never thrown: it costs the caller nothing, and whoever receives it must
 * decide what to do. `limit` names the limit that was hit, such as `tokensPerMinute`.
 */
export interface Refusal {
  readonly kind: "REFUSAL";
  readonly code: RefusalCode;
  readonly message: string;
  readonly retryAfterMs?: number;
  readonly limit?: string;
}

export function refusal(
  code: RefusalCode,
  message: string,
  more: { retryAfterMs?: number; limit?: string } = {},
): Refusal {
  return Object.freeze({ kind: "REFUSAL", code, message, ...more });
}

export function isRefusal(value: unknown): value is Refusal {
  return typeof value === "object" && value !== null && (value as { kind?: unknown }).kind === "REFUSAL";
}
