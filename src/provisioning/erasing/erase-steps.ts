/**
 * The steps of an erasure, one function each. Every step may be run again from its beginning after a
 * crash, by this server or another; README.md above says why nothing is written in between.
 */
import type { ErasurePhase } from "../../storage/control/erasure-rows.js";
import { closeHomes, emptyHomes } from "./empty-homes.js";
import type { EraseStep } from "./erase-run.js";
import { forgetTenant } from "./forget-tenant.js";
import { endMove, stop } from "./stop-tenant.js";
import { verifyErased } from "./verify-erased.js";

export const eraseSteps: Readonly<Record<Exclude<ErasurePhase, "ENDED">, EraseStep>> = {
  STOPPING: stop,
  ENDING_MOVE: endMove,
  CLOSING: closeHomes,
  REMOVING: emptyHomes,
  FORGETTING: forgetTenant,
  VERIFYING: verifyErased,
};
