import { useMutation, useSubscription } from "@apollo/client/react";
import { useEffect, useRef, type ReactNode } from "react";
import { CancelMoveDocument, MoveProgressDocument, RevertMoveDocument, type MovePartsFragment, type MovePhase } from "../generated/operations.ts";
import { StateBadge } from "../ui/badge.tsx";
import { formatCount, formatLeft, formatMoment, formatMs, formatWord } from "../ui/format.ts";
import { Meter } from "../ui/meter.tsx";
import { FaultNotice } from "../ui/notices.tsx";

const steps: readonly MovePhase[] = ["PREPARING", "COPYING", "FOLLOWING", "VERIFYING", "SWITCHING", "OBSERVING", "RETIRING", "DONE"];
const ends: ReadonlySet<MovePhase> = new Set<MovePhase>(["DONE", "FAILED", "CANCELLED", "REVERTED"]);
const beforeSwitch: ReadonlySet<MovePhase> = new Set<MovePhase>(["PREPARING", "COPYING", "FOLLOWING", "VERIFYING"]);

export function isMoving({ phase }: Pick<MovePartsFragment, "phase">): boolean {
  return !ends.has(phase);
}

/** A move with its phases as steps. While it is under way each event of its subscription draws it anew. */
export function MoveView({ move, heading, onEnded }: { readonly move: MovePartsFragment; readonly heading?: ReactNode; readonly onEnded: () => void }): ReactNode {
  const at = steps.indexOf(move.phase);
  const moving = isMoving(move);
  const wasMoving = useRef(moving);
  useEffect(() => {
    // The event that ends a move says nothing of the tenant's new home.
    if (wasMoving.current && !moving) onEnded();
    wasMoving.current = moving;
  }, [moving, onEnded]);
  return (
    <section className="panel">
      <div className="panel-head">
        <h2>{heading ?? "Latest move"} <span className="muted">{formatWord(move.from)} → {formatWord(move.to)}{move.fromTier !== move.toTier && `, ${formatWord(move.fromTier)} → ${formatWord(move.toTier)}`}</span></h2>
        <StateBadge state={move.phase} />
      </div>
      {moving && <FollowMove id={move.id} />}
      {at !== -1 && (
        <ol className="steps" aria-label="Phases">
          {steps.map((step, place) => (
            <li key={step} className={place < at || move.phase === "DONE" ? "step step-done" : place === at ? "step step-now" : "step"} aria-current={place === at && move.phase !== "DONE" ? "step" : undefined}>{formatWord(step)}</li>
          ))}
        </ol>
      )}
      {move.total > 0 && <Meter kind="progress" label="Rows" share={move.copied / move.total} text={rowsText(move)} />}
      {move.failure != null && <p className="notice notice-error">{move.failure}</p>}
      <p className="hint">
        Begun {formatMoment(move.startedAt)}
        {move.finishedAt != null && `, over ${formatMoment(move.finishedAt)}`}
        {move.writePauseMs != null && `; writes waited at most ${formatMs(move.writePauseMs)}`}
      </p>
      {moving && <MoveActions move={move} />}
    </section>
  );
}

function rowsText({ copied, total, rowsPerSecond, estimatedSecondsLeft }: MovePartsFragment): string {
  const rate = rowsPerSecond == null ? "" : ` · ${formatCount(rowsPerSecond)} a second`;
  const left = estimatedSecondsLeft == null ? "" : ` · ${formatLeft(estimatedSecondsLeft * 1_000)} left`;
  return `${formatCount(copied)} of ${formatCount(total)}${rate}${left}`;
}

function FollowMove({ id }: { readonly id: string }): ReactNode {
  const { error } = useSubscription(MoveProgressDocument, { variables: { id } });
  return error === undefined ? null : <FaultNotice error={error} />;
}

function MoveActions({ move }: { readonly move: MovePartsFragment }): ReactNode {
  const options = { variables: { input: { id: move.id } }, onError: () => {} };
  const [cancel, cancelling] = useMutation(CancelMoveDocument, options);
  const [revert, reverting] = useMutation(RevertMoveDocument, options);
  const error = cancelling.error ?? reverting.error;
  return (
    <div className="row">
      {beforeSwitch.has(move.phase) && !move.reverting && <button type="button" className="button button-small" disabled={cancelling.loading} onClick={() => void cancel()}>Cancel the move</button>}
      {move.phase === "OBSERVING" && !move.reverting && <button type="button" className="button button-small" disabled={reverting.loading} onClick={() => void revert()}>Take it back</button>}
      {error !== undefined && <FaultNotice error={error} />}
    </div>
  );
}
