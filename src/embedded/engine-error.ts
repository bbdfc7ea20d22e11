/**
 * An error the engine sends to the driver as MongoDB would: `{ ok: 0, code, codeName, errmsg }`.
 *
 * Codes are those of MongoDB's own error_codes.yml; what the engine does not serve is refused
 * with `CommandNotFound` (59), `Location40324` (unknown stage), `FailedToParse` (9) or the like,
 * and the message names the thing refused.
 */
export class EngineError extends Error {
  constructor(
    readonly code: number,
    readonly codeName: string,
    message: string,
    /** `TransientTransactionError`, `RetryableWriteError`, ... */
    readonly errorLabels: readonly string[] = [],
    /** Extra fields of the reply, such as `keyPattern` and `keyValue` of error 11000. */
    readonly details: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
    this.name = "EngineError";
  }
}
