/** Stages of a request, about in the order in which they come. `README.md` of `insights/` says what each one is. */
export const stageNames = [
  "receive", "auth", "parse", "admission", "execute", "idempotency", "prepare", "guard", "history", "reserve", "queue_wait", "embed", "cache",
  "search", "first_token", "stream", "settle", "remember", "store", "send", "watch", "other",
] as const;
export type StageName = (typeof stageNames)[number];

export interface Stage {
  readonly name: StageName;
  readonly ms: number;
}

export interface StageTimes {
  readonly totalMs: number;
  readonly stages: readonly Stage[];
}

/**
 * Where the time of a request goes. It is in one stage at a time, or in those of its parts: work that
 * runs beside other work of the request has a clock of its own, and while such parts run, the time
 * that passes is shared among them equally. Every millisecond is given to somebody when it has
 * passed, so the stages add up to the total whatever overlaps.
 */
export class StageClock {
  readonly #startedAt: number;
  /** Up to here all time has been given to stages. */
  #at: number;
  #ended = false;
  readonly #ms = new Map<StageName, number>();
  readonly #parts: StageClock[] = [];
  readonly #wholes: StageClock[] = [];

  #stage: StageName;

  /** `onEnd` is told once, and when that was. */
  constructor(stage: StageName = "other", private readonly onEnd?: (times: StageTimes, now: number) => void, now = performance.now()) {
    this.#stage = stage;
    this.#startedAt = now;
    this.#at = now;
  }

  /** Time from here on is this stage's, except what parts take. */
  enter(stage: StageName): void {
    if (this.#ended || stage === this.#stage) return;
    this.#tick(performance.now());
    this.#stage = stage;
  }

  /** One after the other on one clock; what runs beside it takes a `part`. */
  async time<Value>(stage: StageName, work: () => Promise<Value> | Value): Promise<Value> {
    const before = this.#stage;
    this.enter(stage);
    try {
      return await work();
    } finally {
      this.enter(before);
    }
  }

  /** A clock for work inside this one. To be ended when the work is over. */
  part(stage: StageName = "other"): StageClock {
    const part = new StageClock(stage);
    part.joins(this);
    return part;
  }

  /** Until the function given back is called, the time of this clock is the other's as well: of who waits for work that another began. */
  joins(whole: StageClock): () => void {
    if (this.#ended || whole.#ended) return () => undefined;
    whole.#tick(performance.now());
    whole.#parts.push(this);
    this.#wholes.push(whole);
    return () => this.#leave(whole, performance.now());
  }

  /** Freezes it. Later calls do nothing. */
  end(now = performance.now()): void {
    if (this.#ended) return;
    this.#tick(now);
    this.#ended = true;
    for (const whole of this.#wholes.slice()) this.#leave(whole, now);
    this.onEnd?.(this.read(), now);
  }

  /** Up to now, or to its end. */
  read(): StageTimes {
    if (!this.#ended) this.#tick(performance.now());
    return { totalMs: this.#at - this.#startedAt, stages: [...this.#ms].map(([name, ms]): Stage => ({ name, ms })) };
  }

  #leave(whole: StageClock, now: number): void {
    const at = whole.#parts.indexOf(this);
    if (at < 0) return;
    whole.#tick(now);
    whole.#parts.splice(at, 1);
    this.#wholes.splice(this.#wholes.indexOf(whole), 1);
  }

  /** Before anything changes here, those that this is a part of give away the time until now as it was. */
  #tick(now: number): void {
    for (const whole of this.#wholes) whole.#tick(now);
    const ms = now - this.#at;
    if (this.#ended || ms <= 0) return;
    this.#at = now;
    this.#share(this, ms);
  }

  #share(of: StageClock, ms: number): void {
    if (of.#parts.length === 0) this.#ms.set(of.#stage, (this.#ms.get(of.#stage) ?? 0) + ms);
    else for (const part of of.#parts) this.#share(part, ms / of.#parts.length);
  }
}
