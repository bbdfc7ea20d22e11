import { internal } from "../kernel/errors.js";
import type { UsageKind } from "../storage/control/control-plane.js";
import type { FairQueue } from "./fair-queue.js";

/** The lines in front of the shared pool: one for embeddings, and one for each group of back ends that share models. */
export class TurnQueues {
  constructor(
    private readonly embeddings: FairQueue,
    private readonly completions: ReadonlyMap<string, FairQueue>,
    private readonly groupOf: (model: string) => string,
  ) {}

  /** A call of milliseconds, or an answer from the cache, must not wait for one of seconds, nor a model for another's back ends. */
  of(kind: UsageKind, model: string): FairQueue {
    if (kind !== "COMPLETION") return this.embeddings;
    const queue = this.completions.get(this.groupOf(model));
    if (queue === undefined) throw internal(`No line leads to the model ${model}`);
    return queue;
  }
}
