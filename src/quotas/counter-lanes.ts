/** One of those that go together; whoever sends them says to each how it went. */
export interface Waiting<Wish, Told> {
  readonly wish: Wish;
  readonly resolve: (told: Told) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * What is wished of one counter goes together while another wish is on its way, as in a group commit.
 * A tenant's counter is one hot record: 50 separate changes of it wait for each other in the store for
 * longer than a request may, 50 together cost one.
 */
export class CounterLanes<Wish, Told> {
  readonly #lanes = new Map<string, Waiting<Wish, Told>[]>();

  constructor(
    /** Sends a batch and resolves its wishes. Where it rejects, so do those that were told nothing yet. */
    private readonly send: (key: string, batch: readonly Waiting<Wish, Told>[]) => Promise<void>,
  ) {}

  ask(key: string, wish: Wish): Promise<Told> {
    return new Promise((resolve, reject) => {
      const waiting = { wish, resolve, reject };
      const lane = this.#lanes.get(key);
      if (lane !== undefined) return void lane.push(waiting);
      const opened = [waiting];
      this.#lanes.set(key, opened);
      void this.#run(key, opened);
    });
  }

  async #run(key: string, lane: Waiting<Wish, Told>[]): Promise<void> {
    while (lane.length > 0) {
      const batch = lane.splice(0);
      try {
        await this.send(key, batch);
      } catch (error) {
        // Those that were told already stay told: a second answer to a promise is ignored.
        for (const { reject } of batch) reject(error);
      }
    }
    this.#lanes.delete(key);
  }
}

/** The points of all of them. */
export function pointsOf(batch: readonly { readonly wish: { readonly points: number } }[]): number {
  return batch.reduce((sum, { wish }) => sum + wish.points, 0);
}
