import { BulkheadError } from "./errors.js";

/** Nobody listens any more. `lost`: the connection broke without a word, so its client may come back. */
export class ClientGone extends BulkheadError {
  constructor(readonly lost: boolean) {
    super("DEADLINE_EXCEEDED", "The client went away before the end");
  }
}
