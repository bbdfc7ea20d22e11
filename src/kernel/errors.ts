/**
 * The one catalogue of errors. Every error a caller may see has a stable code here, and README has a
 * section for each. What is not a `BulkheadError` is masked as `INTERNAL` at the edge.
 */
export const errorCatalogue = {
  UNAUTHENTICATED: { httpStatus: 401 },
  FORBIDDEN: { httpStatus: 403 },
  NOT_FOUND: { httpStatus: 404 },
  BAD_USER_INPUT: { httpStatus: 400 },
  QUERY_TOO_COMPLEX: { httpStatus: 400 },
  DOCUMENT_NOT_TRUSTED: { httpStatus: 403 },
  CONFLICT: { httpStatus: 409 },
  RATE_LIMITED: { httpStatus: 429 },
  BUDGET_EXCEEDED: { httpStatus: 429 },
  LIMIT_EXCEEDED: { httpStatus: 409 },
  OVERLOADED: { httpStatus: 503 },
  GUARDRAIL_BLOCKED: { httpStatus: 400 },
  IDEMPOTENCY_MISMATCH: { httpStatus: 409 },
  TENANT_SUSPENDED: { httpStatus: 403 },
  UPSTREAM_FAILED: { httpStatus: 502 },
  STREAM_STALLED: { httpStatus: 504 },
  STREAM_TRUNCATED: { httpStatus: 502 },
  DEADLINE_EXCEEDED: { httpStatus: 504 },
  SERVICE_UNAVAILABLE: { httpStatus: 503 },
  INTERNAL: { httpStatus: 500 },
} as const satisfies Record<string, { httpStatus: number }>;

export type ErrorCode = keyof typeof errorCatalogue;

export interface ErrorDetails {
  /** The input field at fault, as the caller knows it. */
  readonly field?: string;
  readonly got?: string;
  readonly expected?: string;
  readonly limit?: string;
  readonly retryAfterMs?: number;
  readonly retryable?: boolean;
}

/** An error with a stable code that may be shown to the caller. `details` go into `extensions`. */
export class BulkheadError extends Error {
  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly details: ErrorDetails = {},
    options?: { cause?: unknown },
  ) {
    super(message, options);
    this.name = "BulkheadError";
  }

  get httpStatus(): number {
    return errorCatalogue[this.code].httpStatus;
  }
}

export function unauthenticated(message = "A valid bearer token is required"): BulkheadError {
  return new BulkheadError("UNAUTHENTICATED", message);
}

export function forbidden(message = "The caller's role does not allow this"): BulkheadError {
  return new BulkheadError("FORBIDDEN", message);
}

/**
 * One text for a missing id and for another tenant's id: whoever asks must not learn that the
 * object exists elsewhere. `noun` is the type the caller asked for, never anything read from data.
 */
export function notFound(noun: string): BulkheadError {
  return new BulkheadError("NOT_FOUND", `${noun} not found`);
}

export function badUserInput(field: string, got: string, expected: string): BulkheadError {
  return new BulkheadError("BAD_USER_INPUT", `${field}: got ${got}, expected ${expected}`, { field, got, expected });
}

export function queryTooComplex(got: string, expected: string): BulkheadError {
  return new BulkheadError("QUERY_TOO_COMPLEX", `Query too complex: got ${got}, expected ${expected}`, { got, expected });
}

/** The same for a hash that is not known and for a text that is not: neither tells what the server would run. */
export function documentNotTrusted(): BulkheadError {
  return new BulkheadError("DOCUMENT_NOT_TRUSTED", "This server runs its trusted documents alone, and the document is none of them");
}

export function idempotencyMismatch(): BulkheadError {
  return new BulkheadError("IDEMPOTENCY_MISMATCH", "The idempotency key was used with other arguments before", { field: "idempotencyKey" });
}

export function conflict(message: string): BulkheadError {
  return new BulkheadError("CONFLICT", message);
}

export function limitExceeded(limit: string, got: string, expected: string): BulkheadError {
  return new BulkheadError("LIMIT_EXCEEDED", `${limit}: got ${got}, expected ${expected}`, { limit, got, expected });
}

export function tenantSuspended(): BulkheadError {
  return new BulkheadError("TENANT_SUSPENDED", "The tenant is suspended");
}

export function upstreamFailed(message: string, cause?: unknown): BulkheadError {
  return new BulkheadError("UPSTREAM_FAILED", message, { retryable: true }, { cause });
}

export function deadlineExceeded(limitMs: number): BulkheadError {
  return new BulkheadError("DEADLINE_EXCEEDED", `The request did not finish within ${limitMs} ms`, { retryable: true });
}

export function serviceUnavailable(message: string, retryAfterMs = 1_000, cause?: unknown): BulkheadError {
  return new BulkheadError("SERVICE_UNAVAILABLE", message, { retryable: true, retryAfterMs }, { cause });
}

export function internal(message: string, cause?: unknown): BulkheadError {
  return new BulkheadError("INTERNAL", message, {}, { cause });
}
