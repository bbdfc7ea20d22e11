import { limitExceeded } from "../kernel/errors.js";
import type { WriteTurn } from "./write-turn.js";

/** Each may hold tens of megabytes here, or cost money at the provider. */
const adaptersMax = 20;

/** Two servers may each let one more in at the same moment: this bounds what is kept, it is no price. Throws `LIMIT_EXCEEDED`. */
export async function checkAdapterRoom(turn: WriteTurn): Promise<void> {
  const count = await turn.read("adapters").count({});
  if (count >= adaptersMax) throw limitExceeded("adapters", `${count + 1} adapters`, `at most ${adaptersMax}`);
}
