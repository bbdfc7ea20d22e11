import type { Take } from "./counter-store.js";

interface Waiting {
  readonly points: number;
  readonly limit: number;
  readonly resolve: (take: Take) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Takes of one counter go together while another is on its way, as in a group commit. A tenant's
 * counter is one hot record: 50 separate increments of it wait for each other in the store for
 * longer than a request may, 50 together cost one.
 */
export class TakeLanes {
  readonly #lanes = new Map<string, Waiting[]>();

  constructor(
    /** Adds points and tells what the counter then stands at. */
    private readonly add: (key: string, points: number, windowMs: number) => Promise<number>,
    private readonly giveBack: (key: string, points: number, windowMs: number) => Promise<void>,
  ) {}

  take(key: string, points: number, limit: number, windowMs: number): Promise<Take> {
    return new Promise((resolve, reject) => {
      const lane = this.#lanes.get(key);
      const waiting = { points, limit, resolve, reject };
      if (lane !== undefined) return void lane.push(waiting);
      const opened = [waiting];
      this.#lanes.set(key, opened);
      void this.#run(key, opened, windowMs);
    });
  }

  async #run(key: string, lane: Waiting[], windowMs: number): Promise<void> {
    while (lane.length > 0) {
      const batch = lane.splice(0);
      try {
        await this.#takeTogether(key, batch, windowMs);
      } catch (error) {
        // Those that were told already stay told: a second answer to a promise is ignored.
        for (const { reject } of batch) reject(error);
      }
    }
    this.#lanes.delete(key);
  }

  async #takeTogether(key: string, batch: readonly Waiting[], windowMs: number): Promise<void> {
    const together = batch.reduce((sum, { points }) => sum + points, 0);
    let used = (await this.add(key, together, windowMs)) - together;
    const refused: Waiting[] = [];
    for (const waiting of batch) {
      if (used + waiting.points > waiting.limit) {
        refused.push(waiting);
        continue;
      }
      used += waiting.points;
      waiting.resolve({ kind: "TAKEN", used });
    }
    if (refused.length === 0) return;
    await this.giveBack(key, refused.reduce((sum, { points }) => sum + points, 0), windowMs);
    for (const { resolve } of refused) resolve({ kind: "REFUSED", used });
  }
}
