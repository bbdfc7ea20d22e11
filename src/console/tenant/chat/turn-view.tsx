import { memo, type ReactNode } from "react";
import { FaultBox } from "../../ui/notices.tsx";
import { formatLeft } from "../../ui/format.ts";
import { useNow } from "../../ui/use-now.ts";
import { AnswerFacts } from "./answer-facts.tsx";
import { FeedbackButtons } from "./feedback-buttons.tsx";
import { piecesOf, textOf, type Citation, type Turn, type TurnState } from "./turn.ts";

interface TurnProps {
  readonly turn: Turn;
  readonly citedId?: string;
  readonly onCite: (citation: Citation) => void;
  readonly onAskAgain?: () => void;
}

export function TurnView({ turn, citedId, onCite, onAskAgain }: TurnProps): ReactNode {
  const { state } = turn;
  const isRunning = state.kind === "WAITING" || state.kind === "STREAMING";
  return (
    <article className="turn" aria-busy={isRunning}>
      <h2 className="question"><span className="visually-hidden">You asked: </span>{turn.question}</h2>
      <div className="answer">
        <div aria-live={isRunning ? "off" : "polite"}>
          {state.kind === "WAITING" ? <p className="muted" role="status">Searching and asking …</p> : <AnswerText state={state} citedId={citedId} onCite={onCite} />}
        </div>
        {state.kind === "STOPPED" && <p className="hint">Stopped. What came is not the whole answer, and is not remembered.</p>}
        {state.kind === "REFUSED" && <Refused state={state} onAskAgain={onAskAgain} />}
        {state.kind === "ANSWERED" && (
          <>
            <Sources citations={state.answer.citations} citedId={citedId} onCite={onCite} />
            <AnswerFacts answer={state.answer} />
          </>
        )}
        {(state.kind === "ANSWERED" || state.kind === "PAST") && turn.conversationId !== undefined && <FeedbackButtons turn={turn} conversationId={turn.conversationId} />}
      </div>
    </article>
  );
}

interface TextProps {
  readonly state: TurnState;
  readonly citedId?: string;
  readonly onCite: (citation: Citation) => void;
}

const AnswerText = memo(function AnswerText({ state, citedId, onCite }: TextProps): ReactNode {
  const text = textOf(state);
  if (text === "") return null;
  const citations = state.kind === "ANSWERED" ? state.answer.citations : [];
  return (
    <p className="answer-text">
      {piecesOf(text, citations).map((piece, place) => {
        const citation = piece.kind === "CITATION" ? citations[piece.at] : undefined;
        // Pieces of one text never change places.
        if (piece.kind === "CITATION" && citation !== undefined) return <Chip key={place} at={piece.at} citation={citation} on={citation.chunkId === citedId} onCite={onCite} />;
        return piece.kind === "TEXT" ? <span key={place}>{piece.text}</span> : null;
      })}
      {state.kind === "STREAMING" && <span className="caret" aria-hidden="true" />}
    </p>
  );
});

function Chip({ at, citation, on, onCite }: { readonly at: number; readonly citation: Citation; readonly on: boolean; readonly onCite: (citation: Citation) => void }): ReactNode {
  return <button type="button" className={on ? "chip chip-on" : "chip"} aria-label={`Citation ${at + 1}: ${citation.document.title}`} title={citation.document.title} onClick={() => onCite(citation)}>{at + 1}</button>;
}

function Sources({ citations, citedId, onCite }: { readonly citations: readonly Citation[]; readonly citedId?: string; readonly onCite: (citation: Citation) => void }): ReactNode {
  if (citations.length === 0) return null;
  return (
    <ol className="sources" aria-label="Citations">
      {citations.map((citation, at) => (
        <li key={citation.chunkId}>
          <button type="button" className={citation.chunkId === citedId ? "source source-on" : "source"} onClick={() => onCite(citation)}>
            <span className="source-title">{at + 1}. {citation.document.title} <span className="muted">{Math.round(citation.score * 100)} %</span></span>
            <span className="source-snippet">{citation.snippet}</span>
          </button>
        </li>
      ))}
    </ol>
  );
}

function Refused({ state, onAskAgain }: { readonly state: Extract<TurnState, { kind: "REFUSED" }>; readonly onAskAgain?: () => void }): ReactNode {
  const { fault, at } = state;
  const waits = fault.retryAfterMs !== undefined;
  const now = useNow(500, waits);
  const left = waits ? at + (fault.retryAfterMs ?? 0) - now : 0;
  return (
    <div>
      <FaultBox fault={fault} />
      {waits && left > 0 && <p className="hint">Worth asking again in {formatLeft(left)}</p>}
      {onAskAgain !== undefined && fault.code !== "GUARDRAIL_BLOCKED" && <button type="button" className="button button-small" disabled={left > 0} onClick={onAskAgain}>Ask again</button>}
    </div>
  );
}
