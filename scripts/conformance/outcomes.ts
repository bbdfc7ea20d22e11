import { MongoClientBulkWriteError, MongoServerError } from "mongodb";

/** The runner itself cannot do what the test asks; says nothing about the engine. */
export class NotRunnable extends Error {}

/** The engine did something else than the test expects. */
export class Deviation extends Error {}

/**
 * Codes by which the engine refuses what it does not serve, as MongoDB would on a build without it:
 * CommandNotFound, CommandNotSupported, NotImplemented, unknown pipeline stage, unknown field of a command,
 * SearchNotEnabled, UnrecognizedExpression.
 */
const REFUSAL_CODES = [59, 115, 238, 40324, 40415, 31082, 168];

/** How the engine words refusals under a code that MongoDB also uses otherwise, such as 72 (InvalidOptions). */
const REFUSAL_WORDS = "is not served by this engine";

export function isRefusal(error: unknown): boolean {
  // A client bulk write wraps the error of the command that ended it.
  if (error instanceof MongoClientBulkWriteError) return isRefusal(error.cause);
  if (!(error instanceof MongoServerError)) return false;
  return REFUSAL_CODES.includes(Number(error.code)) || error.message.includes(REFUSAL_WORDS);
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
