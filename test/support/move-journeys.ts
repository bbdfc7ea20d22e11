/** The ways a move can go, and the names of the points that its mover passes on them. */
import type { MoveEnd, MoveRequest } from "../../src/storage/control/control-plane.js";

/** `THERE`: to the end. `CANCELLED` before its switch. `REVERTED`: called back after it. */
export type Journey = "THERE" | "CANCELLED" | "REVERTED";

export interface Passage {
  readonly journey: Journey;
  /** What the point belongs to; a point of one name is passed in several steps. */
  readonly step: string;
  readonly when: "BEFORE" | "DURING" | "AFTER";
  /** Names it in a run of this journey. */
  readonly key: string;
}

interface Request {
  readonly at: string;
  readonly request: MoveRequest;
}

export const endOf: Readonly<Record<Journey, MoveEnd>> = { THERE: "DONE", CANCELLED: "CANCELLED", REVERTED: "REVERTED" };
export const journeys: readonly Journey[] = ["THERE", "CANCELLED", "REVERTED"];

const requests: Readonly<Record<Journey, Request | undefined>> = {
  THERE: undefined,
  CANCELLED: { at: "VERIFYING begins", request: "CANCEL" },
  REVERTED: { at: "OBSERVING before", request: "REVERT" },
};

/** Long enough to be called back. */
export function observeMsOf(journey: Journey): number {
  return journey === "REVERTED" ? 60_000 : 0;
}

/**
 * For `MoveTools.at`: makes the journey's request where it is due, and tells of every point that this
 * journey alone has to show; the others belong to `THERE`.
 */
export function travel(journey: Journey, request: (request: MoveRequest) => Promise<unknown>, onPassage: (passage: Passage) => Promise<void>): (point: string) => Promise<void> {
  const due = requests[journey];
  let phase = "";
  let requested = due === undefined;
  return async (point) => {
    if (point.endsWith(" before")) phase = point.slice(0, -" before".length);
    if (!requested && point === due?.at) {
      requested = true;
      await request(due.request);
      return;
    }
    if (!requested || (journey === "CANCELLED" && phase !== "CANCELLING")) return;
    await onPassage({ journey, step: stepOf(journey, phase), when: whenOf(point), key: `${journey}: ${phase}: ${point}` });
  };
}

function stepOf(journey: Journey, phase: string): string {
  if (journey === "REVERTED") return "the way back";
  return phase === "OBSERVING" || phase === "RETIRING" ? "OBSERVING and RETIRING" : phase;
}

function whenOf(point: string): Passage["when"] {
  if (point.endsWith(" before")) return "BEFORE";
  return point.endsWith(" after") || point.endsWith(" recorded") ? "AFTER" : "DURING";
}

export function groupedBy(passages: readonly Passage[], name: (passage: Passage) => string): ReadonlyMap<string, readonly Passage[]> {
  const groups = new Map<string, Passage[]>();
  for (const passage of passages) groups.set(name(passage), [...(groups.get(name(passage)) ?? []), passage]);
  return groups;
}
