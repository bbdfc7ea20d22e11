import type { UserId } from "../kernel/ids.js";
import type { FeedbackStore, Rating } from "./adapter-rows.js";
import { liveOnly } from "./live-conversations.js";
import type { StoreParts } from "./store-parts.js";

/** Feedback of one user: the user is in every filter, beside the tenant that the scope adds. */
export class ScopedFeedbackStore implements FeedbackStore {
  constructor(private readonly parts: StoreParts, private readonly userId: UserId) {}

  give(messageId: string, { rating, correction }: { readonly rating: Rating; readonly correction?: string }): Promise<boolean> {
    const { scope, clock } = this.parts;
    return this.parts.write(3, async (turn) => {
      const message = await turn.read("messages").findOne({ _id: scope.key(messageId), user_id: this.userId });
      if (message === undefined) return false;
      // Written and not only read: a conversation that is cleared at the same moment must not leave its feedback behind.
      const conversation = await turn.write("conversations").update({ _id: scope.key(message.conversation_id), user_id: this.userId, ...liveOnly(this.parts) }, {});
      if (conversation === undefined) return false;
      await turn.write("feedback").removeOne({ _id: this.#key(messageId), user_id: this.userId });
      await turn.write("feedback").insert([
        {
          id: feedbackId(messageId),
          user_id: this.userId,
          conversation_id: message.conversation_id,
          message_id: messageId,
          rating,
          teaches: rating === "GOOD" || correction !== undefined,
          ...(correction === undefined ? {} : { correction }),
          created_at: new Date(clock.now()),
        },
      ]);
      return true;
    });
  }

  async of(messageId: string): ReturnType<FeedbackStore["of"]> {
    const stored = await this.parts.read("feedback").findOne({ _id: this.#key(messageId), user_id: this.userId });
    if (stored === undefined) return undefined;
    const { rating, correction } = stored;
    return { tenantId: this.parts.scope.tenantId, userId: this.userId, rating, ...(correction === undefined ? {} : { correction }) };
  }

  #key(messageId: string): string {
    return this.parts.scope.key(feedbackId(messageId));
  }
}

/** Follows from the message's, so that a message has one at most. */
function feedbackId(messageId: string): string {
  return messageId.replace(/^msg_/u, "fbk_");
}
