import { BulkheadError } from "../../kernel/errors.js";

/**
 * Thrown where a row needs keys that this server has not, or has not read lately enough. The keys of
 * a silo are rotated while it is used, so that is no fault: after `learn` the same may be tried again.
 */
export class KeysWanting extends BulkheadError {
  constructor(
    /** Reads the vault. */
    readonly learn: () => Promise<void>,
    /** Alarms and gives the error for a row that is still not opened after `learn`. */
    readonly refusal: () => BulkheadError,
  ) {
    super("SERVICE_UNAVAILABLE", "The tenant's key is being read again", { retryable: true, retryAfterMs: 100 });
    this.name = "KeysWanting";
  }
}
