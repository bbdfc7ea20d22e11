/**
 * The steps of a placement move. Every step may be run again from its beginning after a crash, by
 * this server or another; README.md in this folder argues why that is safe.
 */
import type { MoveEnd, MovePhase } from "../storage/control/control-plane.js";
import type { MoveStep } from "./move-run.js";
import { cancel } from "./steps/cancel.js";
import { copy } from "./steps/copy.js";
import { follow } from "./steps/follow.js";
import { observe } from "./steps/observe.js";
import { prepare } from "./steps/prepare.js";
import { retire } from "./steps/retire.js";
import { switchOver } from "./steps/switch-over.js";
import { verify } from "./steps/verify.js";

/** What each phase does; each returns the phase that follows it. */
export const moveSteps: Readonly<Record<Exclude<MovePhase, MoveEnd>, MoveStep>> = {
  PREPARING: prepare,
  COPYING: copy,
  FOLLOWING: follow,
  VERIFYING: verify,
  SWITCHING: switchOver,
  OBSERVING: observe,
  RETIRING: retire,
  CANCELLING: cancel,
};

export function isEnd(phase: MovePhase): phase is MoveEnd {
  return phase === "DONE" || phase === "FAILED" || phase === "CANCELLED" || phase === "REVERTED";
}
