import { useApolloClient } from "@apollo/client/react";
import { useCallback, useEffect, useRef, useState, type ReactNode } from "react";
import { navigate } from "../../shell/router.tsx";
import { Empty, FaultNotice, Skeleton } from "../../ui/notices.tsx";
import { PageHead } from "../../ui/page-head.tsx";
import { Composer } from "./composer.tsx";
import { PassagePanel } from "./passage-panel.tsx";
import type { Citation, Turn } from "./turn.ts";
import { TurnView } from "./turn-view.tsx";
import { readMessages, useConversation, type AskOptions } from "./use-conversation.ts";

interface ChatProps {
  readonly conversationId?: string;
  readonly isAdmin: boolean;
}

type Past = { readonly kind: "LOADING" } | { readonly kind: "READ"; readonly turns: readonly Turn[] } | { readonly kind: "FAILED"; readonly error: unknown };

export function ChatPage({ conversationId, isAdmin }: ChatProps): ReactNode {
  const client = useApolloClient();
  const [past, setPast] = useState<Past>({ kind: "READ", turns: [] });
  const [cited, setCited] = useState<Citation>();
  const { turns, busy, ask, stop, clear } = useConversation(conversationId, past.kind === "READ" ? past.turns : []);
  const asked = turns.length;
  const last = useRef<AskOptions>({ keep: true, skipCache: false });
  const own = useRef(false);

  useEffect(() => {
    // The conversation that this page has just started holds nothing but what is on the screen.
    if (own.current) {
      own.current = false;
      return;
    }
    clear();
    setPast({ kind: "READ", turns: [] });
    setCited(undefined);
    if (conversationId === undefined) return;
    let gone = false;
    setPast({ kind: "LOADING" });
    readMessages(client, conversationId)
      .then((read) => { if (!gone) setPast({ kind: "READ", turns: read }); })
      .catch((error: unknown) => { if (!gone) setPast({ kind: "FAILED", error }); });
    return () => { gone = true; };
  }, [client, conversationId, clear]);

  const submit = (question: string, options: AskOptions): void => {
    last.current = options;
    if (options.keep && conversationId === undefined) own.current = true;
    ask(question, options);
  };
  const startAnew = (): void => {
    if (conversationId === undefined) clear();
    navigate("/chat");
  };
  const closePassage = useCallback(() => setCited(undefined), []);
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    end.current?.scrollIntoView({ block: "nearest" });
  }, [asked]);

  return (
    <div className={cited === undefined ? "chat" : "chat chat-with-panel"}>
      <div className="chat-column">
        <PageHead title="Ask your documents">
          {asked > 0 && <button type="button" className="button button-small" onClick={startAnew}>New conversation</button>}
        </PageHead>
        <div className="chat-turns">
          {past.kind === "LOADING" && <Skeleton lines={6} label="Loading the conversation" />}
          {past.kind === "FAILED" && <FaultNotice error={past.error} />}
          {asked === 0 && past.kind === "READ" && <FirstSteps isAdmin={isAdmin} />}
          {turns.map((turn) => <TurnView key={turn.key} turn={turn} citedId={cited?.chunkId} onCite={setCited} onAskAgain={busy ? undefined : () => submit(turn.question, last.current)} />)}
          <div ref={end} />
        </div>
        <Composer busy={busy} inConversation={conversationId !== undefined} onAsk={submit} onStop={stop} />
      </div>
      {cited !== undefined && <PassagePanel key={cited.chunkId} citation={cited} onClose={closePassage} />}
    </div>
  );
}

function FirstSteps({ isAdmin }: { readonly isAdmin: boolean }): ReactNode {
  return (
    <Empty title="Nothing asked yet">
      <p>Type a question below. The answer quotes your tenant's documents; each number opens the passage it rests on.</p>
      {isAdmin && <p>No documents yet? Add some under Documents first.</p>}
    </Empty>
  );
}
