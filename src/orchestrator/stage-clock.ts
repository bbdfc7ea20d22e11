export interface Stage {
  readonly name: string;
  readonly ms: number;
}

/** Where the time of one question goes. What no stage claims is `other`, so the stages always add up to the total. */
export class StageClock {
  readonly #startedAt = performance.now();
  readonly #stages = new Map<string, number>();

  async time<Value>(name: string, work: () => Promise<Value> | Value): Promise<Value> {
    const startedAt = performance.now();
    try {
      return await work();
    } finally {
      this.add(name, performance.now() - startedAt);
    }
  }

  add(name: string, ms: number): void {
    this.#stages.set(name, (this.#stages.get(name) ?? 0) + ms);
  }

  /** Takes waiting that a stage contains out of it and books it as `queue`. */
  waited(within: string, ms: number): void {
    this.add(within, -ms);
    this.add("queue", ms);
  }

  read(): { readonly totalMs: number; readonly stages: readonly Stage[] } {
    const totalMs = performance.now() - this.#startedAt;
    const stages = [...this.#stages].map(([name, ms]): Stage => ({ name, ms: Math.max(0, ms) }));
    const claimed = stages.reduce((sum, stage) => sum + stage.ms, 0);
    return { totalMs, stages: [...stages, { name: "other", ms: Math.max(0, totalMs - claimed) }] };
  }
}
