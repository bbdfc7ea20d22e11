/** A value on loan. Release it exactly once; it is not disposed while anyone holds it. */
export interface Lease<Value> {
  readonly value: Value;
  release(): void;
}

interface Entry<Value> {
  readonly opened: Promise<Value>;
  holders: number;
  lastUsed: number;
  evicted: boolean;
}

/**
 * A bounded cache of things that must be closed, such as database clients. Least recently used
 * entries without holders are disposed when the bound is passed; an entry in use is never closed
 * under its holder, so the bound can be exceeded for as long as everything is in use.
 */
export class LeasedCache<Value> {
  readonly #entries = new Map<string, Entry<Value>>();
  #uses = 0;

  constructor(
    private readonly sizeMax: number,
    private readonly open: (key: string) => Promise<Value>,
    private readonly dispose: (value: Value) => Promise<void>,
    private readonly onDisposeError: (error: unknown) => void,
  ) {}

  async lease(key: string): Promise<Lease<Value>> {
    const entry = this.#entries.get(key) ?? this.#add(key);
    entry.holders += 1;
    entry.lastUsed = this.#uses += 1;
    try {
      const value = await entry.opened;
      let released = false;
      return {
        value,
        release: () => {
          if (released) return;
          released = true;
          this.#letGo(entry);
        },
      };
    } catch (error) {
      // An open that failed must not be served to the next caller.
      if (this.#entries.get(key) === entry) this.#entries.delete(key);
      throw error;
    }
  }

  /** Takes an entry out of service: present holders finish, the next `lease` opens anew. */
  evict(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    entry.evicted = true;
    if (entry.holders === 0) this.#disposeOf(entry);
  }

  async close(): Promise<void> {
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    await Promise.all(entries.map(async (entry) => this.dispose(await entry.opened)));
  }

  #add(key: string): Entry<Value> {
    const entry: Entry<Value> = { opened: this.open(key), holders: 0, lastUsed: 0, evicted: false };
    this.#entries.set(key, entry);
    this.#shrink();
    return entry;
  }

  #letGo(entry: Entry<Value>): void {
    entry.holders -= 1;
    if (entry.evicted && entry.holders === 0) this.#disposeOf(entry);
    else this.#shrink();
  }

  #shrink(): void {
    if (this.#entries.size <= this.sizeMax) return;
    const idle = [...this.#entries].filter(([, entry]) => entry.holders === 0 && entry.lastUsed > 0);
    idle.sort(([, a], [, b]) => a.lastUsed - b.lastUsed);
    for (const [key] of idle.slice(0, this.#entries.size - this.sizeMax)) this.evict(key);
  }

  #disposeOf(entry: Entry<Value>): void {
    entry.opened.then((value) => this.dispose(value)).catch(this.onDisposeError);
  }
}
