import { useQuery } from "@apollo/client/react";
import type { ReactNode } from "react";
import { PassageDocument } from "../../generated/operations.ts";
import { FaultNotice, Skeleton } from "../../ui/notices.tsx";
import { SidePanel } from "../../ui/side-panel.tsx";
import type { Citation } from "./turn.ts";

/** The passage that a citation rests on, where it stands: with what comes before and after it. */
export function PassagePanel({ citation, onClose }: { readonly citation: Citation; readonly onClose: () => void }): ReactNode {
  const { data, error, refetch } = useQuery(PassageDocument, { variables: { id: citation.chunkId } });
  const passage = data?.passage;
  return (
    <SidePanel title={citation.document.title} onClose={onClose}>
      {error !== undefined && passage == null && <FaultNotice error={error} onRetry={() => void refetch()} />}
      {error === undefined && passage == null && <Skeleton lines={8} label="Loading the passage" />}
      {passage != null && (
        <>
          <p className="hint">{[...passage.headings, `passage ${passage.ordinal + 1}`].join(" › ")}</p>
          {passage.before != null && <p className="passage passage-near">{passage.before}</p>}
          <p className="passage passage-cited"><Marked text={passage.text} part={citation.snippet} /></p>
          {passage.after != null && <p className="passage passage-near">{passage.after}</p>}
        </>
      )}
    </SidePanel>
  );
}

/** The text with the quoted words marked. A snippet has its white space flattened and may end in an ellipsis. */
function Marked({ text, part }: { readonly text: string; readonly part: string }): ReactNode {
  const words = part.replace(/…$/, "").trim().split(/\s+/).map((word) => word.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const found = words.length < 2 ? null : new RegExp(words.join("\\s+")).exec(text);
  if (found === null) return text;
  return (
    <>
      {text.slice(0, found.index)}
      <mark>{found[0]}</mark>
      {text.slice(found.index + found[0].length)}
    </>
  );
}
