/**
 * What a conversation has said so far, cut to what a model may read. Before it comes the router,
 * which opens the store; after it the prompt. Bound to one tenant and user by the store it is given.
 */
import { notFound } from "../kernel/errors.js";
import { isWellFormedId, type ConversationId } from "../kernel/ids.js";
import type { ConversationStore } from "../storage/tenant-store.js";

export interface Turn {
  readonly question: string;
  readonly answer: string;
}

/** Turns that are read at most: more than any tier's budget holds of real ones, and a bound for tiny ones. */
const turnsMax = 20;

/**
 * There is no default conversation: an id that is malformed, unknown, or somebody else's gets the
 * one answer `NOT_FOUND`. A fallback would be one memory for everybody.
 */
export function parseConversationId(value: unknown): ConversationId {
  if (!isWellFormedId("conversation", value)) throw notFound("Conversation");
  return value as ConversationId;
}

/** The latest whole turns that fit into `tokensMax`, oldest first. Throws `NOT_FOUND`. */
export async function recallTurns(
  conversations: ConversationStore,
  id: ConversationId,
  tokensMax: number,
  countTokens: (text: string) => number,
): Promise<readonly Turn[]> {
  const [conversation, messages] = await Promise.all([conversations.get(id), conversations.latest(id, turnsMax)]);
  if (conversation === undefined) throw notFound("Conversation");
  const turns: Turn[] = [];
  let left = tokensMax;
  for (const { question, answer } of messages.toReversed()) {
    left -= countTokens(question) + countTokens(answer);
    // Stops at the first that does not fit: a gap in the middle would make the rest mean something else.
    if (left < 0) break;
    turns.unshift({ question, answer });
  }
  return turns;
}
