import type { TenantId } from "../kernel/ids.js";
import type { TrainingRow } from "./adapter-rows.js";
import { liveOnly } from "./live-conversations.js";
import { newestFirstSort, olderThan } from "./newest-first.js";
import type { StoredFeedback } from "./rows.js";
import type { StoreParts } from "./store-parts.js";

/** Feedback read at once, each with its message. */
const batchRows = 200;

/**
 * Good answers as they were given and bad ones as they were corrected, newest first. Feedback whose
 * message is gone teaches nothing.
 */
export async function readTrainingRows(parts: StoreParts, rowsMax: number, charsMax: number): Promise<readonly TrainingRow[]> {
  const { scope } = parts;
  const rows: TrainingRow[] = [];
  let chars = 0;
  let last: StoredFeedback | undefined;
  const limit = Math.min(batchRows, rowsMax);
  for (;;) {
    const after = last === undefined ? {} : olderThan(scope, { order: last.created_at.getTime(), id: scope.id(last._id) });
    const batch = await parts.read("feedback").find({ teaches: true, ...after }, { sort: newestFirstSort, limit });
    const messages = await parts.read("messages").find({ _id: { $in: batch.map(({ message_id: id }) => scope.key(id)) } });
    // Not of a conversation whose time is over and whose rows are only not swept yet.
    const conversations = await parts.read("conversations").find({ _id: { $in: [...new Set(batch.map(({ conversation_id: id }) => scope.key(id)))] }, ...liveOnly(parts) });
    const live = new Set(conversations.map(({ _id }) => _id));
    const byKey = new Map(messages.filter(({ conversation_id: id }) => live.has(scope.key(id))).map((message) => [message._id, message]));
    for (const feedback of batch) {
      const message = byKey.get(scope.key(feedback.message_id));
      // A message of another user with this id cannot be: feedback is written only beside its own.
      if (message === undefined || message.user_id !== feedback.user_id) continue;
      const answer = feedback.rating === "GOOD" ? message.answer : feedback.correction;
      if (answer === undefined) continue;
      chars += message.question.length + answer.length;
      if (rows.length === rowsMax || chars > charsMax) return rows;
      // As the row itself says: whoever uses it compares once more.
      rows.push({ tenantId: message.tenant_id as TenantId, question: message.question, answer });
    }
    last = batch.at(-1);
    if (batch.length < limit || rows.length === rowsMax) return rows;
  }
}
