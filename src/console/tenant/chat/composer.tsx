import { useQuery } from "@apollo/client/react";
import { useId, useRef, useState, type KeyboardEvent, type ReactNode } from "react";
import { AdaptersDocument } from "../../generated/operations.ts";
import type { AskOptions } from "./use-conversation.ts";

interface ComposerProps {
  readonly busy: boolean;
  readonly inConversation: boolean;
  readonly onAsk: (question: string, options: AskOptions) => void;
  readonly onStop: () => void;
}

/** Enter sends, Shift+Enter begins a new line. While an answer comes, the button stops it. */
export function Composer({ busy, inConversation, onAsk, onStop }: ComposerProps): ReactNode {
  const [text, setText] = useState("");
  const [single, setSingle] = useState(false);
  const [skipCache, setSkipCache] = useState(false);
  const [adapterId, setAdapterId] = useState("");
  const field = useRef<HTMLTextAreaElement>(null);
  const id = useId();
  const { data } = useQuery(AdaptersDocument, { variables: { first: 50 } });
  const adapters = data?.adapters?.nodes.filter(({ state }) => state === "READY") ?? [];

  const send = (): void => {
    const question = text.trim();
    if (question === "" || busy) return;
    onAsk(question, { keep: !single, skipCache, ...(adapterId === "" ? {} : { adapterId }) });
    setText("");
    field.current?.focus();
  };
  const onKey = (event: KeyboardEvent): void => {
    // An input method's Enter chooses a word and sends nothing.
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  };

  return (
    <form className="composer" onSubmit={(event) => { event.preventDefault(); send(); }}>
      <label htmlFor={id} className="visually-hidden">Question</label>
      <textarea ref={field} id={id} rows={2} value={text} placeholder="Ask something your documents answer" aria-describedby={`${id}-keys`} onChange={(event) => setText(event.target.value)} onKeyDown={onKey} />
      <div className="composer-bar">
        <label className="check">
          <input type="checkbox" checked={single} onChange={(event) => setSingle(event.target.checked)} />
          <span title="A single question is not kept, and may be answered from the cache">{inConversation ? "Outside this conversation" : "Single question"}</span>
        </label>
        {single && (
          <label className="check">
            <input type="checkbox" checked={skipCache} onChange={(event) => setSkipCache(event.target.checked)} />
            Skip the cache
          </label>
        )}
        {adapters.length > 0 && (
          <label className="check">
            Model
            <select value={adapterId} onChange={(event) => setAdapterId(event.target.value)}>
              <option value="">Tier's own</option>
              {adapters.map((adapter) => <option key={adapter.id} value={adapter.id}>{adapter.name}</option>)}
            </select>
          </label>
        )}
        <span id={`${id}-keys`} className="hint composer-keys">Enter sends, Shift+Enter new line</span>
        {busy
          ? <button type="button" className="button" onClick={onStop}>Stop</button>
          : <button type="submit" className="button button-primary" disabled={text.trim() === ""}>Ask</button>}
      </div>
    </form>
  );
}
