import { setTimeout as sleep } from "node:timers/promises";
import type { TenantId } from "../kernel/ids.js";
import { isRefusal } from "../kernel/refusal.js";
import type { FairQueue, Turn, WorkClass } from "./fair-queue.js";

/** A move always gets on: after this a batch goes without a turn. A batch takes some tens of milliseconds, so a flood slows a move down to a tenth and no further. */
const waitMsMaxDefault = 250;

/**
 * Turns for the batches of placement moves and audits, in the lowest classes of the line for this
 * server's own work. A batch calls no model: what it takes from questions is this machine and the database.
 */
export class BatchTurns {
  constructor(private readonly queue: FairQueue, private readonly waitMsMax: number = waitMsMaxDefault, private readonly workClass: WorkClass = "MOVE") {}

  /** Runs the batch in its turn, or after a bounded wait. Rejects with what it threw, or with the signal's reason. */
  async run<T>(tenantId: TenantId, signal: AbortSignal, batch: () => Promise<T>): Promise<T> {
    const turn = await this.#turn(tenantId, signal);
    try {
      return await batch();
    } finally {
      turn?.release(1);
    }
  }

  /** Undefined when it did not come in time. */
  async #turn(tenantId: TenantId, signal: AbortSignal): Promise<Turn | undefined> {
    const patience = AbortSignal.any([signal, AbortSignal.timeout(this.waitMsMax)]);
    try {
      const turn = await this.queue.acquire({ tenantId, weight: 1, tokens: 1, workClass: this.workClass }, patience);
      if (!isRefusal(turn)) return turn;
      // A line that is full is no reason to hurry.
      await sleep(this.waitMsMax, undefined, { signal });
    } catch {
      signal.throwIfAborted();
    }
    return undefined;
  }
}
