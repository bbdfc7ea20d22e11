interface Lane<Value> {
  current: Promise<Value>;
  next?: Promise<Value>;
}

/**
 * Shares reads of one key without ever serving a stale one: whoever asks while a read is on its way
 * joins the next, which begins later than the question. Joining the running one could miss what was
 * written a moment ago, and that is the very thing a taker reads for.
 */
export class FreshReads<Value> {
  readonly #lanes = new Map<string, Lane<Value>>();

  run(key: string, read: () => Promise<Value>): Promise<Value> {
    const lane = this.#lanes.get(key);
    if (lane === undefined) {
      const opened = { current: read() };
      this.#lanes.set(key, opened);
      this.#closeAfter(key, opened);
      return opened.current;
    }
    lane.next ??= this.#after(key, lane, read);
    return lane.next;
  }

  async #after(key: string, lane: Lane<Value>, read: () => Promise<Value>): Promise<Value> {
    // Its failure is its own readers' to hear.
    await lane.current.then(undefined, () => undefined);
    lane.current = read();
    delete lane.next;
    this.#closeAfter(key, lane);
    return lane.current;
  }

  #closeAfter(key: string, lane: Lane<Value>): void {
    const closes = () => {
      if (lane.next === undefined && this.#lanes.get(key) === lane) this.#lanes.delete(key);
    };
    lane.current.then(closes, closes);
  }
}
