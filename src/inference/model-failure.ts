import { BulkheadError, type ErrorCode } from "../kernel/errors.js";

interface Traits {
  readonly code: ErrorCode;
  /** `ELSEWHERE`: by another endpoint alone; the same one would only take as long again. */
  readonly retry: "YES" | "ELSEWHERE" | "NO";
  /** Whether it speaks against the endpoint. What a caller's own prompt can bring about must not: one tenant could shut the endpoint for all. */
  readonly isFault: boolean;
}

/** Every way in which a call of a model fails. README has the table. */
const traitsOf = {
  UNREACHABLE: { code: "UPSTREAM_FAILED", retry: "YES", isFault: true },
  /** A kept connection that the server closed at the moment it was used again. Says nothing of the endpoint. */
  STALE_CONNECTION: { code: "UPSTREAM_FAILED", retry: "YES", isFault: false },
  RATE_LIMITED: { code: "UPSTREAM_FAILED", retry: "YES", isFault: false },
  /** 408 and 409. */
  TRY_AGAIN: { code: "UPSTREAM_FAILED", retry: "YES", isFault: false },
  /** 400, 413, 422 and the like: the prompt's fault. */
  REFUSED: { code: "UPSTREAM_FAILED", retry: "NO", isFault: false },
  /** 401, 403, 404 and the like: a wrong key, URL or model name. */
  MISCONFIGURED: { code: "UPSTREAM_FAILED", retry: "NO", isFault: true },
  REDIRECTED: { code: "UPSTREAM_FAILED", retry: "YES", isFault: true },
  SERVER_ERROR: { code: "UPSTREAM_FAILED", retry: "YES", isFault: true },
  NOT_A_STREAM: { code: "UPSTREAM_FAILED", retry: "YES", isFault: true },
  MALFORMED: { code: "UPSTREAM_FAILED", retry: "YES", isFault: true },
  RESET: { code: "UPSTREAM_FAILED", retry: "YES", isFault: true },
  /** An error within the stream: some providers put overload there and some the refusal of a prompt. */
  REPORTED: { code: "UPSTREAM_FAILED", retry: "YES", isFault: false },
  /** The provider's own filter cut the answer off. */
  WITHHELD: { code: "UPSTREAM_FAILED", retry: "NO", isFault: false },
  STALLED: { code: "STREAM_STALLED", retry: "ELSEWHERE", isFault: true },
  TRUNCATED: { code: "STREAM_TRUNCATED", retry: "YES", isFault: true },
  /** No call was made: every endpoint of the model is shut out or rests. */
  NONE_HEALTHY: { code: "UPSTREAM_FAILED", retry: "NO", isFault: false },
} as const satisfies Record<string, Traits>;

export type FailureKind = keyof typeof traitsOf;

/** A failed call of a model. The message never carries a provider's words or a URL: providers echo keys and prompts in both. */
export class ModelFailure extends BulkheadError {
  readonly retry: Traits["retry"];
  readonly isFault: boolean;

  /** `retryAfterMs`: how long the provider asks to be left alone. */
  constructor(readonly kind: FailureKind, message: string, { retryAfterMs, cause }: { readonly retryAfterMs?: number; readonly cause?: unknown } = {}) {
    const { code, retry, isFault } = traitsOf[kind];
    super(code, message, { retryable: retry !== "NO" || kind === "NONE_HEALTHY", ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }, { cause });
    this.retry = retry;
    this.isFault = isFault;
  }
}

/** Of a response that is not 2xx. `retryAfterMs` from its header. */
export function statusFailure(status: number, retryAfterMs?: number): ModelFailure {
  return new ModelFailure(kindOfStatus(status), `The model answered with HTTP status ${status}`, retryAfterMs === undefined ? {} : { retryAfterMs });
}

const promptStatuses: ReadonlySet<number> = new Set([400, 411, 413, 414, 415, 422, 431, 451]);

function kindOfStatus(status: number): FailureKind {
  if (status === 429) return "RATE_LIMITED";
  if (status === 408 || status === 409) return "TRY_AGAIN";
  if (status >= 300 && status < 400) return "REDIRECTED";
  if (promptStatuses.has(status)) return "REFUSED";
  return status >= 400 && status < 500 ? "MISCONFIGURED" : "SERVER_ERROR";
}
