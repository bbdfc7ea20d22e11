import { useApolloClient, useMutation } from "@apollo/client/react";
import { useState, type ReactNode } from "react";
import { faultOf, type Fault } from "../../api/fault.ts";
import { SendFeedbackDocument, type Rating } from "../../generated/operations.ts";
import { FaultBox } from "../../ui/notices.tsx";
import type { Turn } from "./turn.ts";
import { readMessages } from "./use-conversation.ts";

/** Good or not, for an answer that is kept in a conversation. */
export function FeedbackButtons({ turn, conversationId }: { readonly turn: Turn; readonly conversationId: string }): ReactNode {
  const client = useApolloClient();
  const [send, { data, loading }] = useMutation(SendFeedbackDocument);
  const [fault, setFault] = useState<Fault>();
  const given = data?.sendFeedback?.rating;

  const rate = async (rating: Rating): Promise<void> => {
    try {
      // An answer does not say which message it became; its question and place in the conversation do.
      const messageId = turn.messageId ?? (await readMessages(client, conversationId)).findLast(({ question }) => question === turn.question)?.messageId;
      if (messageId === undefined) return setFault({ code: "NOT_FOUND", message: "The answer is not in its conversation any more" });
      await send({ variables: { input: { messageId, rating } } });
      setFault(undefined);
    } catch (error) {
      setFault(faultOf(error));
    }
  };
  const thumb = (rating: Rating, label: string): ReactNode => (
    <button type="button" className="button button-small" aria-pressed={given === rating} aria-label={label} title={label} disabled={loading} onClick={() => void rate(rating)}><Thumb rating={rating} /></button>
  );
  return (
    <div className="feedback">
      {thumb("GOOD", "Good answer")}
      {thumb("BAD", "Bad answer")}
      {given !== undefined && <span className="hint" role="status">Noted</span>}
      {fault !== undefined && <FaultBox fault={fault} />}
    </div>
  );
}

/** Drawn here: the emoji is missing from the fonts of many servers' desktops. */
function Thumb({ rating }: { readonly rating: Rating }): ReactNode {
  return (
    <svg className={rating === "GOOD" ? "thumb" : "thumb thumb-down"} viewBox="0 0 16 16" aria-hidden="true">
      <path d="M1.5 7h3v7h-3zM4.5 7.5 8 1.5c1.2 0 1.9.9 1.7 2L9.3 6H13c1 0 1.7.9 1.5 1.8l-1.1 5c-.2.7-.8 1.2-1.5 1.2H4.5" />
    </svg>
  );
}
