import { CounterLanes, pointsOf, type Waiting } from "./counter-lanes.js";
import type { Take } from "./counter-store.js";

interface WishedTake {
  readonly points: number;
  readonly limit: number;
  readonly windowMs: number;
}

/** Takes of one counter go together, and each is told for itself whether it was within its limit. */
export class TakeLanes {
  readonly #lanes = new CounterLanes<WishedTake, Take>((key, batch) => this.#takeTogether(key, batch));

  constructor(
    /** Adds points and tells what the counter then stands at. */
    private readonly add: (key: string, points: number, windowMs: number) => Promise<number>,
    private readonly giveBack: (key: string, points: number, windowMs: number) => Promise<void>,
  ) {}

  take(key: string, points: number, limit: number, windowMs: number): Promise<Take> {
    return this.#lanes.ask(key, { points, limit, windowMs });
  }

  async #takeTogether(key: string, batch: readonly Waiting<WishedTake, Take>[]): Promise<void> {
    const windowMs = batch[0]?.wish.windowMs ?? 0;
    const together = pointsOf(batch);
    let used = (await this.add(key, together, windowMs)) - together;
    const refused: Waiting<WishedTake, Take>[] = [];
    for (const waiting of batch) {
      const { points, limit } = waiting.wish;
      if (used + points > limit) {
        refused.push(waiting);
        continue;
      }
      used += points;
      waiting.resolve({ kind: "TAKEN", used });
    }
    if (refused.length === 0) return;
    await this.giveBack(key, pointsOf(refused), windowMs);
    for (const { resolve } of refused) resolve({ kind: "REFUSED", used });
  }
}
