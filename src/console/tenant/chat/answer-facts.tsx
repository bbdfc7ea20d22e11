import type { ReactNode } from "react";
import { Badge } from "../../ui/badge.tsx";
import { formatCount, formatMs, formatWord } from "../../ui/format.ts";
import { StageBar } from "../../ui/stage-bar.tsx";
import type { Answer } from "./turn.ts";

/** What an answer cost and where its time went: small, under the answer, in full when opened. */
export function AnswerFacts({ answer }: { readonly answer: Answer }): ReactNode {
  const { usage, latency, cached, replayed, model, finishReason } = answer;
  return (
    <details className="facts">
      <summary>
        <span>{usage.cost}</span>
        <span>{formatCount(usage.promptTokens + usage.completionTokens)} tokens</span>
        <span>{formatMs(latency.totalMs)}</span>
        <span className="mono">{model}</span>
        {cached && <Badge tone="good">Cached</Badge>}
        {replayed && <Badge>Replayed</Badge>}
        {finishReason !== "STOP" && <Badge tone="warn">{formatWord(finishReason)}</Badge>}
      </summary>
      <p className="hint">{formatCount(usage.promptTokens)} tokens in, {formatCount(usage.completionTokens)} out</p>
      <StageBar label="Where the time went" stages={latency.stages} />
    </details>
  );
}
