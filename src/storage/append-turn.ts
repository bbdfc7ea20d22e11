import type { ConversationId, UserId } from "../kernel/ids.js";
import { liveOnly } from "./live-conversations.js";
import type { StoreParts } from "./store-parts.js";
import type { WriteTurn } from "./write-turn.js";

/** Adds a turn to a conversation of the user within a write. False, and nothing is written, when there is no such conversation. */
export async function appendTurn(
  write: WriteTurn,
  parts: Pick<StoreParts, "scope" | "clock" | "conversationMs">,
  userId: UserId,
  id: ConversationId,
  messageId: string,
  turn: { readonly question: string; readonly answer: string },
): Promise<boolean> {
  const now = new Date(parts.clock.now());
  // Counting the turn and taking its ordinal is one statement, so that two turns never share a place.
  const conversation = await write.write("conversations").update({ _id: parts.scope.key(id), user_id: userId, ...liveOnly(parts) }, { set: { updated_at: now }, increment: { turns: 1 } });
  if (conversation === undefined) return false;
  await write.write("messages").insert([
    { id: messageId, user_id: userId, conversation_id: id, ordinal: conversation.turns - 1, question: turn.question, answer: turn.answer, created_at: now },
  ]);
  return true;
}
