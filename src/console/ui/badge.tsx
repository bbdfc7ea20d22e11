import type { ReactNode } from "react";
import { formatWord } from "./format.ts";

export type Tone = "neutral" | "good" | "warn" | "bad" | "busy";

/** A state in a word; the colour only repeats it. */
export function Badge({ tone = "neutral", children }: { readonly tone?: Tone; readonly children: ReactNode }): ReactNode {
  return <span className={`badge badge-${tone}`}>{children}</span>;
}

const tones: Readonly<Record<string, Tone>> = {
  READY: "good", DONE: "good", ACTIVE: "good", PASSED: "good", COMPLETE: "good",
  PENDING: "busy", INDEXING: "busy", RUNNING: "busy", MOVING: "busy", IN_PROGRESS: "busy", PREPARING: "busy", UPLOADING: "busy", TRAINING: "busy",
  COPYING: "busy", FOLLOWING: "busy", VERIFYING: "busy", SWITCHING: "busy", OBSERVING: "busy", RETIRING: "busy", CANCELLING: "busy", ERASING: "busy",
  FAILED: "bad", LEAKED: "bad", PARTIAL: "bad",
  SUSPENDED: "warn", CANCELLED: "warn", REVERTED: "warn",
};

/** A state of the schema, with the tone that it has everywhere. */
export function StateBadge({ state }: { readonly state: string }): ReactNode {
  return <Badge tone={tones[state] ?? "neutral"}>{formatWord(state)}</Badge>;
}
