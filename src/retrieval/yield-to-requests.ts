import { constants, setPriority } from "node:os";
import { platform } from "node:process";

/**
 * Puts the calling thread behind the threads that answer requests: without it a document's embedding
 * takes a question's core for a whole time slice. Not the lowest there is: on a machine that others
 * keep busy documents must still get on, at about a tenth of a full share. setpriority(2), NOTES: on Linux "0" is the calling
 * thread; elsewhere it is the process, which would put the requests back as well.
 */
export function yieldToRequests(): void {
  if (platform !== "linux") return;
  try {
    setPriority(0, constants.priority.PRIORITY_BELOW_NORMAL);
  } catch {
    // A sandbox may forbid it. Work then competes as before: slower questions beside ingest, nothing wrong.
  }
}
