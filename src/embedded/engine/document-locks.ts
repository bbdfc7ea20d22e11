/*
 * Locks on single keys of one database file: documents, unique index keys, sessions.
 * Before it: a statement that means to write; after it: the commit, which hands each lock to the next in line.
 */

export type LockOwner = object;

interface Waiter {
  owner: LockOwner;
  grant(): void;
}

interface Held {
  owner: LockOwner;
  waiters: Waiter[];
}

export class DocumentLocks {
  readonly #held = new Map<string, Held>();
  readonly #byOwner = new Map<LockOwner, Set<string>>();

  /** Takes a free or own lock at once; false when another owner holds it. */
  tryAcquire(owner: LockOwner, key: string): boolean {
    const held = this.#held.get(key);
    if (held) return held.owner === owner;
    this.#held.set(key, { owner, waiters: [] });
    this.#note(owner, key);
    return true;
  }

  /** Waits in line, first come first served, at most `waitMsMax`; false when the time ran out. */
  async acquire(owner: LockOwner, key: string, waitMsMax: number): Promise<boolean> {
    if (this.tryAcquire(owner, key)) return true;
    const held = this.#held.get(key);
    if (!held || waitMsMax <= 0) return false;
    return new Promise<boolean>((resolve) => {
      const waiter: Waiter = {
        owner,
        grant: () => {
          clearTimeout(timer);
          resolve(true);
        },
      };
      const timer = setTimeout(() => {
        held.waiters.splice(held.waiters.indexOf(waiter), 1);
        resolve(false);
      }, waitMsMax);
      held.waiters.push(waiter);
    });
  }

  holdsAny(owner: LockOwner): boolean {
    return (this.#byOwner.get(owner)?.size ?? 0) > 0;
  }

  releaseAll(owner: LockOwner): void {
    const keys = this.#byOwner.get(owner);
    this.#byOwner.delete(owner);
    for (const key of keys ?? []) this.#handOver(key);
  }

  #handOver(key: string): void {
    const held = this.#held.get(key);
    const next = held?.waiters.shift();
    if (!held || !next) {
      this.#held.delete(key);
      return;
    }
    // Ownership passes before the waiter wakes, so that a newcomer cannot slip in between.
    held.owner = next.owner;
    this.#note(next.owner, key);
    next.grant();
  }

  #note(owner: LockOwner, key: string): void {
    let keys = this.#byOwner.get(owner);
    if (!keys) this.#byOwner.set(owner, (keys = new Set()));
    keys.add(key);
  }
}
