import { FlowHeap, type HeapItem } from "./flow-heap.js";
import type { Holding } from "./slot-holders.js";

/** One tenant's calls of one class. */
export interface Flow extends HeapItem {
  readonly name: string;
  weight: number;
  running: number;
  readonly waiting: Set<Waiter>;
  /** Of the calls that wait. */
  waitingTokens: number;
  /** Charged for calls that run: bounds, of which most comes back. */
  runningTokens: number;
  /** Once a call of it has had a turn. */
  holding?: Holding;
}

export interface Waiter {
  readonly flow: Flow;
  readonly tokens: number;
  /** When it came, by the clock of `performance`. */
  readonly since: number;
  readonly grant: (isOverdue?: boolean) => void;
}

/** Idle flows that are still ahead of the virtual time, kept so that leaving and coming back erases no debt. */
const flowsMax = 50_000;

/**
 * Start-time fair queueing. Each flow carries the weighted service it has had; the next turn goes
 * to the waiting flow with the least. A flow that comes back from idleness starts at the virtual time,
 * so nobody saves up turns by being quiet. That is the service of the flow served last, without what
 * its running calls were charged: bounds that are given back later would keep the newcomer waiting
 * until the other has used them up after all.
 */
export class FlowQueue {
  readonly #flows = new Map<string, Flow>();
  readonly #heap = new FlowHeap<Flow>();
  #virtualTime = 0;
  #waiting = 0;
  #running = 0;

  get waiting(): number {
    return this.#waiting;
  }

  get running(): number {
    return this.#running;
  }

  waitingOf(name: string): number {
    return this.#flows.get(name)?.waiting.size ?? 0;
  }

  /** The tenant's flow, brought up to the virtual time if it has been idle. */
  flowOf(name: string, weight: number): Flow {
    const flow = this.#flows.get(name) ?? this.#open(name, weight);
    flow.weight = weight;
    // Not waiting is idle in the sense of fairness even while a call runs: it asked for nothing more.
    if (flow.waiting.size === 0) flow.service = Math.max(flow.service, this.#virtualTime);
    return flow;
  }

  add(waiter: Waiter): void {
    const { flow } = waiter;
    flow.waiting.add(waiter);
    flow.waitingTokens += waiter.tokens;
    this.#waiting += 1;
    if (flow.slot < 0) this.#heap.push(flow);
  }

  /** A caller that went away. False when it had its turn already. */
  remove(waiter: Waiter): boolean {
    if (!waiter.flow.waiting.delete(waiter)) return false;
    waiter.flow.waitingTokens -= waiter.tokens;
    this.#waiting -= 1;
    if (waiter.flow.waiting.size === 0) this.#heap.remove(waiter.flow);
    return true;
  }

  /** Takes the first waiter of the least served flow, and charges it. */
  next(): Waiter | undefined {
    const flow = this.#heap.least;
    // A Set keeps the order of arrival and forgets one that left in constant time.
    const first = flow?.waiting.values().next();
    return first === undefined || first.done === true ? undefined : this.take(first.value);
  }

  /** Takes one that waits, and charges it. */
  take(waiter: Waiter): Waiter {
    this.remove(waiter);
    this.start(waiter.flow, waiter.tokens);
    return waiter;
  }

  /** Whoever has waited longest. Looks at every flow that waits: for lines of few tenants. */
  oldest(): Waiter | undefined {
    let oldest: Waiter | undefined;
    for (const { waiting } of this.#heap.items) {
      for (const first of waiting) {
        if (oldest === undefined || first.since < oldest.since) oldest = first;
        break;
      }
    }
    return oldest;
  }

  /**
   * How many calls go before one more of this flow, if nobody else comes: its own that wait, and of
   * each other flow only what it is owed before that, however long its line is. Counts no further
   * than just above `enough`.
   */
  aheadOf(flow: Flow, enough: number): number {
    const begins = flow.service + flow.waitingTokens / flow.weight;
    let ahead = flow.waiting.size;
    for (const other of this.#heap.items) {
      if (ahead > enough) return ahead;
      if (other === flow) continue;
      let service = other.service;
      for (const { tokens } of other.waiting) {
        if (service >= begins || ahead > enough) break;
        ahead += 1;
        service += tokens / other.weight;
      }
    }
    return ahead;
  }

  /** Flows with calls that run or wait. */
  *busy(): Generator<Flow> {
    for (const flow of this.#flows.values()) if (flow.running > 0 || flow.waiting.size > 0) yield flow;
  }

  /** Charges a call whose turn begins now. */
  start(flow: Flow, tokens: number): void {
    this.#virtualTime = Math.max(this.#virtualTime, flow.service - flow.runningTokens / flow.weight);
    flow.runningTokens += tokens;
    flow.running += 1;
    this.#running += 1;
    this.#charge(flow, tokens);
  }

  /** Ends a call: the bound it was charged becomes what it used. Never below what it had before. */
  finish(flow: Flow, chargedTokens: number, usedTokens: number): void {
    flow.running -= 1;
    flow.runningTokens -= chargedTokens;
    this.#running -= 1;
    this.#charge(flow, usedTokens - chargedTokens);
    if (this.#running === 0 && this.#waiting === 0) this.#reset();
    else if (this.#flows.size > flowsMax) this.#sweep();
  }

  /** Weighted service of a tenant, for proofs of fairness. */
  serviceOf(name: string): number | undefined {
    return this.#flows.get(name)?.service;
  }

  #open(name: string, weight: number): Flow {
    const flow: Flow = { name, weight, running: 0, waiting: new Set(), waitingTokens: 0, runningTokens: 0, service: this.#virtualTime, slot: -1 };
    this.#flows.set(name, flow);
    return flow;
  }

  #charge(flow: Flow, tokens: number): void {
    // A weight that changed between charge and correction must not leave the service below zero.
    flow.service = Math.max(0, flow.service + tokens / flow.weight);
    if (flow.slot >= 0) this.#heap.moved(flow);
  }

  /** Nobody waits and nothing runs: there is nothing left to be fair about, and the numbers stay small. */
  #reset(): void {
    this.#flows.clear();
    this.#virtualTime = 0;
  }

  #sweep(): void {
    for (const [name, flow] of this.#flows) {
      if (flow.waiting.size === 0 && flow.running === 0 && flow.service <= this.#virtualTime) this.#flows.delete(name);
    }
  }
}
