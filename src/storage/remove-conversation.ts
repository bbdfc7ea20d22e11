import { expiredBefore } from "./live-conversations.js";
import type { StoredConversation } from "./rows.js";
import type { Narrowing } from "./scope.js";
import type { StoreParts } from "./store-parts.js";
import type { WriteTurn } from "./write-turn.js";

/** Rows that removing one writes: tombstones and the conversation; its turns are removed by one statement. */
export const removalRows = 6;

/** Removes the one conversation that `narrowing` names, with all that hangs on it. False when there is none. */
export async function removeConversation(turn: WriteTurn, parts: Pick<StoreParts, "scope">, narrowing: Narrowing): Promise<boolean> {
  const removed = await turn.write("conversations").removeOne(narrowing);
  if (removed === undefined) return false;
  const id = parts.scope.id(removed._id);
  const ofIt = { conversation_id: id, user_id: removed.user_id };
  await turn.bury({ collection: "conversations", field: "_id", value: removed._id });
  const messages = await turn.write("messages").removeMany(ofIt);
  if (messages > 0) await turn.bury({ collection: "messages", field: "conversation_id", value: id });
  const answers = await turn.write("idempotency_answers").removeMany(ofIt);
  if (answers > 0) await turn.bury({ collection: "idempotency_answers", field: "conversation_id", value: id });
  const feedback = await turn.write("feedback").removeMany(ofIt);
  if (feedback > 0) await turn.bury({ collection: "feedback", field: "conversation_id", value: id });
  return true;
}

/**
 * Removes conversations of the tenant whose time is over, the oldest first, each in a write of its own:
 * a conversation may be long, and whoever writes meanwhile must not wait for all of them. By the
 * tenant's own writes and not by the database's expiry, which a mover could not follow.
 */
export async function sweepConversations(parts: StoreParts, limit: number): Promise<number> {
  const cutoff = expiredBefore(parts);
  if (cutoff === undefined) return 0;
  const over = await parts.read("conversations").find({ updated_at: { $lte: cutoff } }, { sort: { updated_at: 1 }, limit });
  let removed = 0;
  for (const row of over) removed += (await removeOne(parts, row, cutoff)) ? 1 : 0;
  return removed;
}

/** Looked at again inside the write: a server whose clock is behind may just have added a turn. */
function removeOne(parts: StoreParts, { _id }: StoredConversation, cutoff: Date): Promise<boolean> {
  return parts.write(removalRows, (turn) => removeConversation(turn, parts, { _id, updated_at: { $lte: cutoff } }));
}
