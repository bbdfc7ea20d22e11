interface Waiting {
  readonly grant: () => void;
}

/**
 * A few places, given to tenants in rotation: a tenant with a thousand pieces of work waiting delays
 * another's one piece by one turn, and not by a thousand.
 */
export class FairTurns {
  /** A tenant with work waiting, in the order of whose turn is next. */
  readonly #waiting = new Map<string, Waiting[]>();
  #free: number;

  constructor(places: number) {
    this.#free = places;
  }

  /** Runs the work when it is the tenant's turn. Rejects with the signal's reason if that comes first. */
  async run<T>(tenantId: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await this.#take(tenantId, signal);
    try {
      return await work();
    } finally {
      this.#give();
    }
  }

  #take(tenantId: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free -= 1;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#remove(tenantId, waiting);
        reject(signal.reason);
      };
      const waiting: Waiting = {
        grant: () => {
          signal.removeEventListener("abort", onAbort);
          resolve();
        },
      };
      signal.addEventListener("abort", onAbort, { once: true });
      const queue = this.#waiting.get(tenantId);
      if (queue === undefined) this.#waiting.set(tenantId, [waiting]);
      else queue.push(waiting);
    });
  }

  #give(): void {
    const next = this.#waiting.entries().next().value;
    if (next === undefined) {
      this.#free += 1;
      return;
    }
    const [tenantId, queue] = next;
    const waiting = queue.shift();
    // To the end of the rotation, or out of it.
    this.#waiting.delete(tenantId);
    if (queue.length > 0) this.#waiting.set(tenantId, queue);
    waiting?.grant();
  }

  #remove(tenantId: string, waiting: Waiting): void {
    const queue = this.#waiting.get(tenantId) ?? [];
    const index = queue.indexOf(waiting);
    if (index >= 0) queue.splice(index, 1);
    if (queue.length === 0) this.#waiting.delete(tenantId);
  }
}
