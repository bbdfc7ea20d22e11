import { CounterLanes, pointsOf } from "./counter-lanes.js";

interface GivenBack {
  readonly points: number;
  readonly windowMs: number;
}

/**
 * What is given back to one counter goes together. Every call that ends gives back, and so does every
 * refusal: one by one they keep the tenant's hot record busy for longer than a take may wait.
 */
export class GiveBackLanes {
  readonly #lanes = new CounterLanes<GivenBack, void>(async (key, batch) => {
    await this.giveBackNow(key, pointsOf(batch), batch[0]?.wish.windowMs ?? 0);
    for (const { resolve } of batch) resolve();
  });

  constructor(private readonly giveBackNow: (key: string, points: number, windowMs: number) => Promise<void>) {}

  /** Resolves when the points are back. */
  giveBack(key: string, points: number, windowMs: number): Promise<void> {
    return this.#lanes.ask(key, { points, windowMs });
  }
}
