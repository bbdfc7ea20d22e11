import { conflict } from "../kernel/errors.js";
import type { TrainingCaps } from "./adapter-rows.js";

/** Throws `CONFLICT`: what is trained now ends by itself, and then there is room again. */
export function checkTrainingsAtOnce(count: number, { trainingsAtOnce = 1 }: TrainingCaps): void {
  if (count >= trainingsAtOnce) throw conflict(trainingsAtOnce === 1 ? "Another adapter of the tenant is being trained" : `${count} adapters of the tenant are being trained, as many as may be at once in this tier`);
}
