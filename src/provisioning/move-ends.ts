import type { MoveEnd, MovePhase, PlacementMoveRow } from "../storage/control/control-plane.js";

const ends: ReadonlySet<MovePhase> = new Set<MoveEnd>(["DONE", "FAILED", "CANCELLED", "REVERTED"]);

/** Whether nothing more happens to the move. */
export function hasEnded({ phase }: Pick<PlacementMoveRow, "phase">): boolean {
  return ends.has(phase);
}
