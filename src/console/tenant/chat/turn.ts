import type { Fault } from "../../api/fault.ts";
import type { AnswerStreamSubscription } from "../../generated/operations.ts";

type AnswerEvent = NonNullable<AnswerStreamSubscription["answer"]>;
export type Answer = Extract<AnswerEvent, { readonly kind: "Answer" }>;
export type Citation = Answer["citations"][number];

/** A question and how far its answer has come. Only what is legal in a state is in it. */
export type TurnState =
  | { readonly kind: "WAITING" }
  | { readonly kind: "STREAMING"; readonly text: string; readonly model: string }
  | { readonly kind: "ANSWERED"; readonly answer: Answer }
  /** From a conversation that was opened again: its citations were not kept. */
  | { readonly kind: "PAST"; readonly text: string }
  /** A refusal, or a failure; `at` is the moment it came, from which a retry is counted down. */
  | { readonly kind: "REFUSED"; readonly fault: Fault; readonly at: number; readonly text: string }
  | { readonly kind: "STOPPED"; readonly text: string };

export interface Turn {
  readonly key: string;
  readonly question: string;
  readonly state: TurnState;
  readonly conversationId?: string;
  /** Known for turns of an opened conversation; found when it is needed for the others. */
  readonly messageId?: string;
}

/** The words that have come so far, whatever became of them. */
export function textOf(state: TurnState): string {
  if (state.kind === "ANSWERED") return state.answer.text;
  return state.kind === "WAITING" ? "" : state.text;
}

/** A turn after the next event of its stream. */
export function advance(state: TurnState, event: AnswerEvent, now: number): TurnState {
  switch (event.kind) {
    // Also what a stream that was resumed begins with: it comes from its first word again.
    case "AnswerStarted":
      return { kind: "STREAMING", text: "", model: event.model };
    case "AnswerDelta":
      return state.kind === "STREAMING" ? { ...state, text: state.text + event.text } : { kind: "STREAMING", text: event.text, model: "" };
    case "Answer":
      return { kind: "ANSWERED", answer: event };
    case "Refusal":
    case "AnswerFailed":
      return { kind: "REFUSED", at: now, text: "", fault: { code: event.code, message: event.message, ...(event.retryAfterMs === null ? {} : { retryAfterMs: event.retryAfterMs }), ...(event.kind === "Refusal" ? orNothing("limit", event.limit) : orNothing("requestId", event.requestId)) } };
  }
}

function orNothing<K extends string>(name: K, value: string | null): { readonly [key in K]?: string } {
  return value === null ? {} : ({ [name]: value } as { readonly [key in K]: string });
}

export type Piece = { readonly kind: "TEXT"; readonly text: string } | { readonly kind: "CITATION"; readonly at: number };

/**
 * An answer's text with its `[3]` replaced by places in its citations. Numbers in the text name the
 * passages the model was given; citations come in the order in which the answer names them. Where the two
 * do not match (a document went meanwhile), the text stays as it is.
 */
export function piecesOf(text: string, citations: readonly unknown[]): readonly Piece[] {
  const labels = [...new Set([...text.matchAll(/\[(\d{1,3})\]/g)].map((match) => match[1]))];
  if (labels.length !== citations.length) return [{ kind: "TEXT", text }];
  return text.split(/(\[\d{1,3}\])/g).flatMap((part): Piece[] => {
    const at = labels.indexOf(/^\[(\d{1,3})\]$/.exec(part)?.[1]);
    if (at !== -1) return [{ kind: "CITATION", at }];
    return part === "" ? [] : [{ kind: "TEXT", text: part }];
  });
}
