import { systemClock, type Clock } from "../kernel/clock.js";
import type { CounterStore } from "./counter-store.js";
import { FreshReads } from "./fresh-reads.js";

/** A sub-window. Twelve make a minute: a limit comes back in twelfths instead of all at once. */
export const subWindowMs = 5_000;
const subWindows = 12;

/**
 * A counter is read for 12 sub-windows after its own, and by a server whose clock is one behind.
 * One more keeps it alive for a give-back of a call that took its time.
 */
const counterLifeMs = (subWindows + 3) * subWindowMs;

/** How long a server remembers that a shared store refused, so that a flood of retries does not reach the store. */
const refusalMemoryMs = 100;

/** Names whose sub-windows are remembered; past it all are forgotten and read again. */
const rememberedMax = 20_000;

export interface WindowTake {
  readonly kind: "TAKEN";
  readonly name: string;
  /** The sub-window that was charged: what is given back goes there and nowhere else. */
  readonly index: number;
  readonly limit: number;
  /** Points used in the window, this take among them. */
  readonly used: number;
  /** When this take has left the window. */
  readonly resetsAt: Date;
}
export interface WindowRefusal {
  readonly kind: "REFUSED";
  readonly limit: number;
  readonly retryAfterMs: number;
}

/** A name's sub-window of now, and what is known of the others. Made once in 5 s, since every take needs it. */
interface Present {
  readonly index: number;
  readonly key: string;
  readonly resetsAt: Date;
  /** Undefined: to be read. Nothing is added to sub-windows that are over; give-backs alone change them. */
  others: Counts | undefined;
}

/** Oldest first. */
interface Counts {
  readonly counts: readonly number[];
  readonly sum: number;
}

/**
 * At most `limit` points in any 60 seconds, across every server on the store. A fixed window lets
 * twice its limit pass around its edge; here the sub-window of now and the 12 before it are summed,
 * which cover 60 to 65 seconds, so any 60 seconds lie inside a sum that was checked. The price: a
 * limit used up in one burst is whole again after 60 to 65 seconds, not after 60.
 *
 * Never too many, without a transaction: a taker first adds to its own sub-window and then reads
 * the neighbours, so of two takers in neighbouring sub-windows at least one sees the other. Both
 * may see each other and be refused: that is allowed.
 */
export class SlidingWindow {
  readonly #present = new Map<string, Present>();
  readonly #reads = new FreshReads<Counts>();
  readonly #refusals = new Map<string, { points: number; endsAt: number; refusal: WindowRefusal }>();

  constructor(private readonly store: CounterStore, private readonly clock: Clock = systemClock) {}

  /** Throws `CounterStoreFailed`. `points` is at most `limit`. */
  async take(name: string, points: number, limit: number): Promise<WindowTake | WindowRefusal> {
    const remembered = this.#refusals.get(name);
    if (remembered !== undefined && points >= remembered.points && this.clock.now() < remembered.endsAt) return { ...remembered.refusal, limit };
    const present = this.#presentOf(name);
    const { index, key, resetsAt } = present;
    const taken = await this.store.take(key, points, limit, counterLifeMs);
    // Alone on its counters a server sees every change of the past: `giveBack` forgets what it changes.
    const others = this.store.shared || present.others === undefined ? await this.#othersOf(name, present) : present.others;
    const used = taken.used + others.sum;
    if (taken.kind === "TAKEN" && used <= limit) return { kind: "TAKEN", name, index, limit, used, resetsAt };
    if (taken.kind === "TAKEN") await this.store.giveBack(key, points, counterLifeMs);
    return this.#refuse(name, points, limit, index, [...others.counts.slice(0, -1), taken.kind === "TAKEN" ? taken.used - points : taken.used]);
  }

  /** Charges what was used beyond what was taken, limit or not: it has been spent already. Throws `CounterStoreFailed`. */
  async charge(name: string, points: number): Promise<void> {
    await this.store.take(counterKey(name, this.#index()), points, Number.MAX_SAFE_INTEGER, counterLifeMs);
  }

  /** Throws `CounterStoreFailed`. */
  giveBack(name: string, points: number, index: number): Promise<void> {
    this.#refusals.delete(name);
    const present = this.#present.get(name);
    if (present !== undefined && present.index !== index) present.others = undefined;
    // Out of every sum by now: giving back would only make a counter that stands below zero.
    if (this.#index() - index > subWindows + 1) return Promise.resolve();
    return this.store.giveBack(present?.index === index ? present.key : counterKey(name, index), points, counterLifeMs);
  }

  /** What the window holds now, and when it will be empty if nothing is added. Throws `CounterStoreFailed`. */
  async view(name: string): Promise<{ readonly used: number; readonly resetsAt: Date }> {
    const index = this.#index();
    const counts = await this.store.read(indexes(index - subWindows, index + 1).map((at) => counterKey(name, at)));
    const last = counts.findLastIndex((count) => count > 0);
    return { used: sum(counts), resetsAt: last < 0 ? new Date(this.clock.now()) : leavesAt(index - subWindows + last) };
  }

  /** Deletes the counters that may still be alive; gives how many there were. Throws `CounterStoreFailed`. */
  async forget(name: string): Promise<number> {
    this.#refusals.delete(name);
    this.#present.delete(name);
    const index = this.#index();
    return this.store.forget(indexes(index - counterLifeMs / subWindowMs, index + 1).map((at) => counterKey(name, at)));
  }

  #index(): number {
    return Math.floor(this.clock.now() / subWindowMs);
  }

  #presentOf(name: string): Present {
    const index = this.#index();
    const known = this.#present.get(name);
    if (known?.index === index) return known;
    if (this.#present.size >= rememberedMax) this.#present.clear();
    const present = { index, key: counterKey(name, index), resetsAt: leavesAt(index), others: undefined };
    this.#present.set(name, present);
    return present;
  }

  /** Counts of the 12 sub-windows before it, oldest first, and of the one after it: a server's clock may be ahead. */
  #othersOf(name: string, present: Present): Promise<Counts> {
    if (!this.store.shared) return this.#readOthers(name, present);
    return this.#reads.run(present.key, () => this.#readOthers(name, present));
  }

  async #readOthers(name: string, present: Present): Promise<Counts> {
    const { index, others } = present;
    if (others !== undefined) {
      const [before = 0, after = 0] = await this.store.read([counterKey(name, index - 1), counterKey(name, index + 1)]);
      return { counts: [...others.counts, before, after], sum: others.sum + before + after };
    }
    const counts = await this.store.read([...indexes(index - subWindows, index - 1), index + 1].map((at) => counterKey(name, at)));
    const read = { counts, sum: sum(counts) };
    // On a shared store the two neighbours are not remembered: other servers add to them. Remembering
    // too high a count of the rest until the next sub-window refuses, never admits.
    const rest = counts.slice(0, subWindows - 1);
    present.others = this.store.shared ? { counts: rest, sum: sum(rest) } : read;
    return read;
  }

  #refuse(name: string, points: number, limit: number, index: number, counts: readonly number[]): WindowRefusal {
    const refusal: WindowRefusal = { kind: "REFUSED", limit, retryAfterMs: this.#waitFor(limit - points, index, counts) };
    if (this.store.shared) {
      if (this.#refusals.size >= rememberedMax) this.#refusals.clear();
      this.#refusals.set(name, { points, endsAt: this.clock.now() + refusalMemoryMs, refusal });
    }
    return refusal;
  }

  /** Milliseconds until enough of the oldest sub-windows have left for the sum to be `goal` at most. */
  #waitFor(goal: number, index: number, counts: readonly number[]): number {
    let left = sum(counts);
    for (const [at, count] of counts.entries()) {
      left -= count;
      if (left <= goal) return Math.max(1, leavesAt(index - subWindows + at).getTime() - this.clock.now());
    }
    return leavesAt(index).getTime() - this.clock.now();
  }
}

function leavesAt(index: number): Date {
  return new Date((index + subWindows + 1) * subWindowMs);
}

/** The number comes last and digits only, so no tenant's name can end in another's counter. */
function counterKey(name: string, index: number): string {
  return `${name}:${index}`;
}

function indexes(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from + 1 }, (_, at) => from + at);
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
