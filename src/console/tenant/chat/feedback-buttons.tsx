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
  const thumb = (rating: Rating, label: string, sign: string): ReactNode => (
    <button type="button" className="button button-small" aria-pressed={given === rating} aria-label={label} title={label} disabled={loading} onClick={() => void rate(rating)}>{sign}</button>
  );
  return (
    <div className="feedback">
      {thumb("GOOD", "Good answer", "👍")}
      {thumb("BAD", "Bad answer", "👎")}
      {given !== undefined && <span className="hint" role="status">Noted</span>}
      {fault !== undefined && <FaultBox fault={fault} />}
    </div>
  );
}
