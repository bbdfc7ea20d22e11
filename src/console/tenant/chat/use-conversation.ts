import { useApolloClient } from "@apollo/client/react";
import { useCallback, useEffect, useRef, useState } from "react";
import { faultOf } from "../../api/fault.ts";
import { AnswerStreamDocument, ConversationMessagesDocument, StartConversationDocument, type AskInput } from "../../generated/operations.ts";
import { navigate } from "../../shell/router.tsx";
import { advance, textOf, type Turn, type TurnState } from "./turn.ts";

export interface AskOptions {
  /** Goes on with the conversation that is shown, or starts one. A single question may be answered from the cache. */
  readonly keep: boolean;
  readonly skipCache: boolean;
  readonly adapterId?: string;
}

export interface ConversationState {
  readonly turns: readonly Turn[];
  readonly busy: boolean;
  ask(question: string, options: AskOptions): void;
  stop(): void;
  clear(): void;
}

const titleCharsMax = 80;

/** The turns on the screen, and one question at a time on its way. */
export function useConversation(conversationId: string | undefined, turnsBefore: readonly Turn[]): ConversationState {
  const client = useApolloClient();
  const [asked, setAsked] = useState<readonly Turn[]>([]);
  const [busy, setBusy] = useState(false);
  const running = useRef<{ unsubscribe(): void; key: string }>(undefined);

  const update = useCallback((key: string, change: (turn: Turn) => Turn) => setAsked((all) => all.map((turn) => (turn.key === key ? change(turn) : turn))), []);
  const end = useCallback((key: string, state?: (state: TurnState) => TurnState) => {
    if (running.current?.key !== key) return;
    running.current = undefined;
    setBusy(false);
    if (state !== undefined) update(key, (turn) => ({ ...turn, state: state(turn.state) }));
  }, [update]);
  const refuse = useCallback((key: string, error: unknown) => end(key, (state) => ({ kind: "REFUSED", fault: faultOf(error), at: Date.now(), text: textOf(state) })), [end]);

  const stream = useCallback((key: string, input: AskInput) => {
    const subscription = client.subscribe({ query: AnswerStreamDocument, variables: { input }, fetchPolicy: "no-cache" }).subscribe({
      next: ({ data, error }) => {
        if (error !== undefined) return refuse(key, error);
        const event = data?.answer;
        if (event == null) return;
        update(key, (turn) => ({ ...turn, state: advance(turn.state, event, Date.now()) }));
        if (event.kind === "Answer" || event.kind === "Refusal" || event.kind === "AnswerFailed") end(key);
      },
      error: (error: unknown) => refuse(key, error),
      complete: () => end(key, (state) => ({ kind: "STOPPED", text: textOf(state) })),
    });
    if (running.current?.key === key) running.current.unsubscribe = () => subscription.unsubscribe();
    else subscription.unsubscribe();
  }, [client, end, refuse, update]);

  const ask = (question: string, { keep, skipCache, adapterId }: AskOptions): void => {
    if (running.current !== undefined) return;
    const key = crypto.randomUUID();
    running.current = { key, unsubscribe: () => {} };
    setBusy(true);
    setAsked((all) => [...all, { key, question, state: { kind: "WAITING" } }]);
    const begin = (id: string | undefined): void => {
      update(key, (turn) => ({ ...turn, conversationId: id }));
      // The key makes a reconnect hear the same answer; the socket's client sends these variables again by itself.
      stream(key, { question, idempotencyKey: key, conversationId: id, skipCache: keep ? undefined : skipCache, adapterId });
    };
    if (!keep || conversationId !== undefined) return begin(keep ? conversationId : undefined);
    client.mutate({ mutation: StartConversationDocument, variables: { input: { title: question.slice(0, titleCharsMax) } } })
      .then(({ data }) => {
        const id = data?.startConversation?.conversation.id;
        if (running.current?.key !== key) return;
        if (id !== undefined) navigate(`/chat/${id}`, { replace: true });
        begin(id);
      })
      .catch((error: unknown) => refuse(key, error));
  };

  const stop = useCallback((): void => {
    const current = running.current;
    if (current === undefined) return;
    current.unsubscribe();
    end(current.key, (state) => ({ kind: "STOPPED", text: textOf(state) }));
  }, [end]);
  // Whoever leaves the page wants no more of the answer: the server ends the model's call.
  useEffect(() => () => running.current?.unsubscribe(), []);

  const clear = useCallback((): void => {
    stop();
    setAsked([]);
  }, [stop]);
  return { turns: [...turnsBefore, ...asked], busy, ask, stop, clear };
}

const pagesMax = 20;

/** All turns of a stored conversation, oldest first. */
export async function readMessages(client: ReturnType<typeof useApolloClient>, id: string): Promise<readonly Turn[]> {
  const turns: Turn[] = [];
  let after: string | undefined;
  for (let page = 0; page < pagesMax; page += 1) {
    const { data } = await client.query({ query: ConversationMessagesDocument, variables: { id, first: 100, after }, fetchPolicy: "network-only" });
    const messages = data?.conversation?.messages;
    for (const message of messages?.nodes ?? []) turns.push({ key: message.id, question: message.question, messageId: message.id, conversationId: id, state: { kind: "PAST", text: message.answer } });
    if (messages?.pageInfo.hasNextPage !== true || messages.pageInfo.endCursor === null) break;
    after = messages.pageInfo.endCursor;
  }
  return turns;
}
