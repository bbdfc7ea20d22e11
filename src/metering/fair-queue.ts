import type { Holder } from "../insights/timed-request.js";
import type { TenantId } from "../kernel/ids.js";
import { refusal, type Refusal } from "../kernel/refusal.js";
import { FlowQueue, type Flow, type Waiter } from "./flow-queue.js";
import { LinePace } from "./line-pace.js";
import { WholeShare, type Demand, type PoolShare, type ShareUser } from "./pool-share.js";
import { holdingOf, SlotHolders } from "./slot-holders.js";

/** The highest first. A class waits while a call of a higher one does, and all but the first leave a slot free for it. Audits do not wait for ever: see `overdueMs`. */
export const workClasses = ["INTERACTIVE", "INGEST", "AUDIT", "MOVE"] as const;
export type WorkClass = (typeof workClasses)[number];

export interface TurnRequest {
  readonly tenantId: TenantId;
  /** Share relative to other tenants that wait; from the tier policy. */
  readonly weight: number;
  /** Upper bound of what the call will use; the service a tenant is charged until it ends. */
  readonly tokens: number;
  readonly workClass: WorkClass;
  /** Until the request's deadline, in milliseconds. Left out: the call waits for as long as its signal lets it. */
  readonly leftMs?: number;
  /** Whether `heldBeside` will be asked. */
  readonly watchesOthers?: boolean;
  /** Held before for this call, which takes it. */
  readonly place?: Place;
}

/** Kept in a tenant's line for a call that is being prepared. To be left in any case; later calls do nothing. */
export interface Place {
  readonly kind: "PLACE";
  /** True the first time. */
  leave(): boolean;
}

/** The right to use the shared pool. Release it exactly once; later calls do nothing. */
export interface Turn {
  readonly kind: "TURN";
  readonly waitedMs: number;
  /** Who held the slots while the call waited: adds up to `waitedMs`. Empty when it had its turn at once. */
  readonly heldBy: readonly Holder[];
  /** Who has held slots beside the call since its turn began. To be asked before its release. */
  heldBeside(): readonly Holder[];
  release(usedTokens: number): void;
}

export interface FairQueueOptions {
  /** Calls that run at once, on all servers. */
  readonly slots: number;
  /**
   * Of those, how many may be of the classes below questions. The default leaves one free: turns are
   * not taken away, so otherwise a question could find every slot held by a batch that has just begun.
   */
  readonly backgroundSlots?: number;
  readonly waitingPerTenantMax?: number;
  readonly waitingMax?: number;
}

export const slotsDefault = 8;
/** Eight turns each at the default slots: one tenant that floods fills its own line, not the others'. */
const waitingPerTenantMaxDefault = 64;
/** Bounds memory: about 1 KB a waiting call with its promise and listener. */
const waitingMaxDefault = 10_000;
/** Weight of the latest call in the mean that `retryAfterMs` is derived from. */
const holdSmoothing = 0.1;
/** A call is refused for its deadline only when its turn is expected this many times later: calls that leave shorten the line. */
const lateness = 1.25;
/**
 * An audit's call that has waited so long goes before all others, one at a time. Otherwise no audit would
 * end while questions always wait: each would fail, and a leak that was mended would be held against
 * the server for as long as it is busy. Far below a request's deadline.
 */
const overdueMs = 5_000;

const nobody: readonly Holder[] = Object.freeze([]);
const askNobody = (): readonly Holder[] => nobody;

/** What a call's wait was. */
interface Wait {
  readonly ms: number;
  readonly heldBy: readonly Holder[];
  readonly isOverdue: boolean;
}

const noWait: Wait = Object.freeze({ ms: 0, heldBy: nobody, isOverdue: false });

/** The calls of one class. */
interface Line {
  readonly rank: number;
  readonly queue: FlowQueue;
  readonly pace: LinePace;
}

/**
 * Turns at a shared pool, weighted between tenants and counted in tokens. Higher classes go first;
 * within a class the least served tenant is next. No slot of this server's share stays empty while a
 * call that may use it waits.
 */
export class FairQueue implements ShareUser {
  readonly #lines: readonly Line[] = workClasses.map((_, rank) => ({ rank, queue: new FlowQueue(), pace: new LinePace() }));
  readonly #lineOf = Object.fromEntries(workClasses.map((name, rank) => [name, this.#lines[rank]])) as Readonly<Record<WorkClass, Line>>;
  readonly #waitingPerTenantMax: number;
  readonly #waitingMax: number;
  readonly #holders = new SlotHolders(performance.now());
  /** Places of questions that are being prepared, of each tenant and together. */
  readonly #held = new Map<TenantId, number>();
  #heldInAll = 0;
  #holdMs = 100;
  #running = 0;
  /** A call that was overdue has its turn. */
  #overdueRuns = false;
  #timer: NodeJS.Timeout | undefined;

  /** `share`: left out, this server has all slots and no rates bind it. */
  constructor(private readonly options: FairQueueOptions, private readonly share: PoolShare = new WholeShare(options.slots)) {
    this.#waitingPerTenantMax = options.waitingPerTenantMax ?? waitingPerTenantMaxDefault;
    this.#waitingMax = options.waitingMax ?? waitingMaxDefault;
    share.attach(this);
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    let waiting = 0;
    for (const { queue } of this.#lines) waiting += queue.waiting;
    return waiting;
  }

  /**
   * Resolves with a turn, or with `OVERLOADED` at once when the line is full or the turn would come
   * after the deadline. Rejects with the signal's reason; the place is free then.
   */
  acquire(request: TurnRequest, signal: AbortSignal): Promise<Turn | Refusal> {
    if (signal.aborted) return Promise.reject(signal.reason);
    const line = this.#lineOf[request.workClass];
    const flow = line.queue.flowOf(request.tenantId, request.weight);
    const hadPlace = request.place?.leave() === true;
    if (line.queue.waiting === 0 && this.#mayStart(line)) {
      line.queue.start(flow, request.tokens);
      return Promise.resolve(this.#turn(line, flow, request, performance.now()));
    }
    const refused = (hadPlace ? undefined : this.#refuseIfFull(request.tenantId, flow)) ?? this.#refuseIfLate(line, flow, request.leftMs);
    return refused === undefined ? this.#wait(line, flow, request, signal) : Promise.resolve(refused);
  }

  /**
   * A place for a question of this tenant whose call comes after other work, or what `acquire` would
   * refuse it with. Without it, one free place would let through all that come while the first is
   * prepared, and all but that one would be refused after their work was done.
   */
  hold(tenantId: TenantId, weight: number, leftMs: number): Place | Refusal {
    const line = this.#lineOf.INTERACTIVE;
    const startsAtOnce = line.queue.waiting === 0 && this.#mayStart(line) && this.#running + this.#heldInAll < this.share.slots;
    if (!startsAtOnce) {
      const flow = line.queue.flowOf(tenantId, weight);
      const refused = this.#refuseIfFull(tenantId, flow) ?? this.#refuseIfLate(line, flow, leftMs);
      if (refused !== undefined) return refused;
    }
    this.#hold(tenantId, 1);
    let isLeft = false;
    return {
      kind: "PLACE",
      leave: () => {
        if (isLeft) return false;
        isLeft = true;
        this.#hold(tenantId, -1);
        return true;
      },
    };
  }

  *demand(): Generator<Demand> {
    // Among servers too it goes first, or one without other work would have no slot for it.
    const overdue = this.#overdue()?.flow;
    if (overdue !== undefined) yield { tenantId: overdue.name, weight: overdue.weight, rank: 0, running: 0, waiting: 1 };
    for (const { rank, queue } of this.#lines) {
      for (const flow of queue.busy()) yield { tenantId: flow.name, weight: flow.weight, rank, running: flow.running, waiting: flow.waiting.size - (flow === overdue ? 1 : 0) };
    }
  }

  resume(): void {
    this.#startOverdue();
    for (const line of this.#lines) {
      while (line.queue.waiting > 0 && this.#mayStart(line)) {
        line.pace.moved(performance.now());
        line.queue.next()?.grant();
      }
    }
    if (this.waiting > 0) this.#awaitShare();
  }

  /** The oldest and not the least served: turns of audits' batches come and go in the same line, and must not hide who waits. */
  #overdue(): Waiter | undefined {
    const { queue } = this.#lineOf.AUDIT;
    if (queue.waiting === 0 || this.#overdueRuns) return undefined;
    const oldest = queue.oldest();
    return oldest !== undefined && performance.now() - oldest.since >= overdueMs ? oldest : undefined;
  }

  #startOverdue(): void {
    const { queue, pace, rank } = this.#lineOf.AUDIT;
    const overdue = this.#overdue();
    if (overdue === undefined || !this.#hasSlot(rank)) return;
    pace.moved(performance.now());
    queue.take(overdue).grant(true);
  }

  #hold(tenantId: TenantId, by: 1 | -1): void {
    const held = (this.#held.get(tenantId) ?? 0) + by;
    if (held === 0) this.#held.delete(tenantId);
    else this.#held.set(tenantId, held);
    this.#heldInAll += by;
  }

  #refuseIfFull(tenantId: TenantId, flow: Flow): Refusal | undefined {
    const ofTenant = flow.waiting.size + (this.#held.get(tenantId) ?? 0);
    if (ofTenant >= this.#waitingPerTenantMax) return this.#overloaded("waitingCallsPerTenant", this.#holdMs * ofTenant / this.options.slots);
    const inAll = this.waiting + this.#heldInAll;
    return inAll >= this.#waitingMax ? this.#overloaded("waitingCalls", this.#holdMs * inAll / this.options.slots) : undefined;
  }

  /** By the tenant's own place in the order of service: what is behind that in others' lines does not count. */
  #refuseIfLate({ queue, pace }: Line, flow: Flow, leftMs: number | undefined): Refusal | undefined {
    const { turnMs } = pace;
    if (leftMs === undefined || turnMs === undefined) return undefined;
    const enough = (leftMs * lateness) / turnMs;
    // In time even as the last of all, which spares the count.
    if (queue.waiting <= enough) return undefined;
    const ahead = queue.aheadOf(flow, enough);
    return ahead <= enough ? undefined : this.#overloaded("deadline", ahead * turnMs - leftMs);
  }

  #wait(line: Line, flow: Flow, request: TurnRequest, signal: AbortSignal): Promise<Turn> {
    const { queue, pace } = line;
    return new Promise((resolve, reject) => {
      const since = performance.now();
      const look = this.#holders.look(since);
      const leave = () => {
        if (!queue.remove(waiter)) return;
        this.#holders.drop(look);
        reject(signal.reason);
      };
      const waiter: Waiter = {
        flow,
        tokens: request.tokens,
        since,
        grant: (isOverdue = false) => {
          signal.removeEventListener("abort", leave);
          const now = performance.now();
          resolve(this.#turn(line, flow, request, now, { ms: now - since, heldBy: this.#holders.since(look, now), isOverdue }));
        },
      };
      signal.addEventListener("abort", leave, { once: true });
      if (queue.waiting === 0) pace.began(since);
      queue.add(waiter);
      this.#awaitShare();
    });
  }

  #turn({ rank, queue }: Line, flow: Flow, request: TurnRequest, since: number, { ms: waitedMs, heldBy, isOverdue } = noWait): Turn {
    const { tenantId, weight, tokens } = request;
    this.#running += 1;
    if (isOverdue) this.#overdueRuns = true;
    const held = this.#holders.started((flow.holding ??= holdingOf(tenantId, request.workClass)), since);
    this.share.started(tenantId, weight, rank, tokens);
    let released = false;
    return {
      kind: "TURN",
      waitedMs,
      heldBy,
      heldBeside: request.watchesOthers === true ? this.#besides(request, since) : askNobody,
      release: (usedTokens) => {
        if (released) return;
        released = true;
        this.#running -= 1;
        if (isOverdue) this.#overdueRuns = false;
        const now = performance.now();
        this.#holders.ended(held, now);
        this.#holdMs += holdSmoothing * (now - since - this.#holdMs);
        queue.finish(flow, tokens, usedTokens);
        this.share.ended(tokens, usedTokens);
        this.resume();
      },
    };
  }

  #besides({ tenantId, workClass: work }: TurnRequest, since: number): () => readonly Holder[] {
    const look = this.#holders.look(since);
    const before = this.#holders.partNow(since);
    let held: readonly Holder[] | undefined;
    return () => (held ??= this.#holders.since(look, performance.now(), { tenantId, work, ms: this.#holders.partNow(performance.now()) - before }));
  }

  #mayStart({ rank }: Line): boolean {
    if (!this.#hasSlot(rank)) return false;
    for (let above = 0; above < rank; above += 1) if ((this.#lines[above] as Line).queue.waiting > 0) return false;
    return true;
  }

  #hasSlot(rank: number): boolean {
    const { slots } = this.share;
    if (this.#running >= slots || this.share.pauseMs > 0) return false;
    return rank === 0 || this.#running - this.#lineOf.INTERACTIVE.queue.running < (this.options.backgroundSlots ?? Math.max(1, slots - 1));
  }

  /** Somebody waits: for a slot that this server has not, or for the provider's rates. */
  #awaitShare(): void {
    const { slots, pauseMs } = this.share;
    this.#holders.bounded(Math.max(0, this.options.slots - slots), pauseMs > 0 && this.#running < slots);
    if (this.#running >= slots || pauseMs === Number.POSITIVE_INFINITY) return this.share.wanted();
    if (pauseMs === 0 || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.resume();
    }, pauseMs).unref();
  }

  #overloaded(limit: string, waitMs: number): Refusal {
    return refusal("OVERLOADED", "Too many calls wait for a model", { limit, retryAfterMs: Math.max(100, Math.ceil(waitMs)) });
  }
}
