/**
 * Concurrent callers of one key share one run of the work. A failure reaches all of them and is
 * not remembered. The key must contain the tenant wherever the result is a tenant's.
 */
export class SingleFlight<Value> {
  readonly #running = new Map<string, Promise<Value>>();

  run(key: string, work: () => Promise<Value>): Promise<Value> {
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    const started = work().finally(() => this.#running.delete(key));
    this.#running.set(key, started);
    return started;
  }
}
