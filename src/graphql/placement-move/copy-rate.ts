import type { PlacementMoveRow } from "../../storage/control/control-plane.js";

type Copying = Pick<PlacementMoveRow, "phase" | "copied" | "total" | "copyStartedAt" | "switchedAt" | "finishedAt">;

/** Rows a second since copying began, to one decimal; undefined before the first row. A server that was away counts as time. */
export function copyRate(move: Copying, now: Date): number | undefined {
  if (move.copyStartedAt === undefined || move.copied === 0) return undefined;
  // After the switch nothing is copied any more, and a rate that fell while the move is observed would be none.
  const until = move.switchedAt ?? move.finishedAt ?? now;
  const seconds = (until.getTime() - move.copyStartedAt.getTime()) / 1_000;
  return seconds <= 0 ? undefined : Math.round((move.copied / seconds) * 10) / 10;
}

/** Seconds until the rest is copied at this rate, to one decimal; undefined when nothing is being copied. */
export function secondsLeft(move: Copying, now: Date): number | undefined {
  const rate = copyRate(move, now);
  if (move.phase !== "COPYING" || rate === undefined || rate <= 0) return undefined;
  return Math.round((Math.max(0, move.total - move.copied) / rate) * 10) / 10;
}
