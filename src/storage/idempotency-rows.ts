import type { UserId } from "../kernel/ids.js";
import { liveOnly } from "./live-conversations.js";
import type { StoredIdempotencyAnswer, StoredIdempotencyRecord } from "./rows.js";
import type { Scope } from "./scope.js";
import type { StoreParts } from "./store-parts.js";
import type { WriteTurn } from "./write-turn.js";

/** Keys of one user that are kept at most; the oldest go first. Beyond any honest use: a key a minute of the day. */
export const keysPerUserMax = 1_440;
/** Rows that one new key removes of those that have run out: more than one, so that they become fewer. */
const sweptMax = 10;

/** Whether everything an answer rests on is still there. */
export async function answerStands(
  from: Pick<WriteTurn, "read">,
  parts: Pick<StoreParts, "scope" | "clock" | "conversationMs">,
  { user_id: userId, conversation_id: conversationId, document_ids: documentIds }: Pick<StoredIdempotencyAnswer, "user_id" | "conversation_id" | "document_ids">,
): Promise<boolean> {
  const keys = [...new Set(documentIds)].map((id) => parts.scope.key(id));
  if (keys.length > 0 && (await from.read("documents").count({ _id: { $in: keys } })) < keys.length) return false;
  if (conversationId === undefined) return true;
  return (await from.read("conversations").count({ _id: parts.scope.key(conversationId), user_id: userId, ...liveOnly(parts) })) === 1;
}

export async function forgetKey(turn: WriteTurn, scope: Scope, { _id, answer_id: answerId }: StoredIdempotencyRecord): Promise<void> {
  const removed = await turn.write("idempotency_records").removeOne({ _id });
  if (removed !== undefined) await turn.bury({ collection: "idempotency_records", field: "_id", value: _id });
  if (answerId === undefined) return;
  const answer = await turn.write("idempotency_answers").removeOne({ _id: scope.key(answerId) });
  if (answer !== undefined) await turn.bury({ collection: "idempotency_answers", field: "_id", value: answer._id });
}

/**
 * Removes some keys of the tenant that have run out, and of the user those that are too many. Done by
 * the write of each new key and not by the database, whose expiry a mover could not follow.
 */
export async function sweepKeys(turn: WriteTurn, scope: Scope, userId: UserId, newest: number, now: Date): Promise<void> {
  const records = turn.read("idempotency_records");
  const over = await records.find({ expires_at: { $lte: now } }, { sort: { expires_at: 1 }, limit: sweptMax });
  const tooMany = await records.find({ user_id: userId, ordinal: { $lte: newest - keysPerUserMax } }, { sort: { ordinal: 1 }, limit: sweptMax });
  const swept = new Map([...over, ...tooMany].map((record) => [record._id, record]));
  for (const record of swept.values()) await forgetKey(turn, scope, record);
}
