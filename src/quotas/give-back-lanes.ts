interface Waiting {
  readonly points: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * What is given back to one counter goes together while another is on its way, as `TakeLanes` does
 * for takes. Every call that ends gives back, and so does every refusal: one by one they keep the
 * tenant's hot record busy for longer than a take may wait.
 */
export class GiveBackLanes {
  readonly #lanes = new Map<string, Waiting[]>();

  constructor(private readonly giveBackNow: (key: string, points: number, windowMs: number) => Promise<void>) {}

  /** Resolves when the points are back. */
  giveBack(key: string, points: number, windowMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiting = { points, resolve, reject };
      const lane = this.#lanes.get(key);
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
        await this.giveBackNow(key, batch.reduce((sum, { points }) => sum + points, 0), windowMs);
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#lanes.delete(key);
  }
}
