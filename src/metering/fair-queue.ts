import type { TenantId } from "../kernel/ids.js";
import { refusal, type Refusal } from "../kernel/refusal.js";
import { FlowQueue, type Flow, type Waiter } from "./flow-queue.js";

export type WorkClass = "INTERACTIVE" | "INGEST";

export interface TurnRequest {
  readonly tenantId: TenantId;
  /** Share relative to other tenants that wait; from the tier policy. */
  readonly weight: number;
  /** Upper bound of what the call will use; the service a tenant is charged until it ends. */
  readonly tokens: number;
  readonly workClass: WorkClass;
}

/** The right to use the shared pool. Release it exactly once; later calls do nothing. */
export interface Turn {
  readonly kind: "TURN";
  readonly waitedMs: number;
  release(usedTokens: number): void;
}

export interface FairQueueOptions {
  /** Calls that run at once. */
  readonly slots: number;
  /**
   * Of those, how many may be ingestion. The default leaves one free: turns are not taken away, so
   * otherwise a question could find every slot held by a batch that has just begun.
   */
  readonly ingestSlots?: number;
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

/**
 * Turns at a shared pool, weighted between tenants and counted in tokens. Questions go before
 * ingestion; within a class the least served tenant is next. No slot stays empty while a call that
 * may use it waits.
 */
export class FairQueue {
  readonly #classes: Readonly<Record<WorkClass, FlowQueue>> = { INTERACTIVE: new FlowQueue(), INGEST: new FlowQueue() };
  readonly #ingestSlots: number;
  readonly #waitingPerTenantMax: number;
  readonly #waitingMax: number;
  #holdMs = 100;

  constructor(private readonly options: FairQueueOptions) {
    this.#ingestSlots = options.ingestSlots ?? Math.max(1, options.slots - 1);
    this.#waitingPerTenantMax = options.waitingPerTenantMax ?? waitingPerTenantMaxDefault;
    this.#waitingMax = options.waitingMax ?? waitingMaxDefault;
  }

  get running(): number {
    return this.#classes.INTERACTIVE.running + this.#classes.INGEST.running;
  }

  get waiting(): number {
    return this.#classes.INTERACTIVE.waiting + this.#classes.INGEST.waiting;
  }

  /** Resolves with a turn, or with `OVERLOADED` at once when the line is full. Rejects with the signal's reason; the place is free then. */
  acquire(request: TurnRequest, signal: AbortSignal): Promise<Turn | Refusal> {
    if (signal.aborted) return Promise.reject(signal.reason);
    const queue = this.#classes[request.workClass];
    const flow = queue.flowOf(request.tenantId, request.weight);
    if (queue.waiting === 0 && this.#hasRoom(request.workClass)) {
      queue.start(flow, request.tokens);
      return Promise.resolve(this.#turn(flow, request, 0));
    }
    const full = this.#refuseIfFull(flow.waiting.size);
    return full === undefined ? this.#wait(queue, flow, request, signal) : Promise.resolve(full);
  }

  /** What `acquire` would refuse a question of this tenant with at this moment, for work that must be paid for before its turn. */
  refusalNow(tenantId: TenantId): Refusal | undefined {
    const { INTERACTIVE: queue } = this.#classes;
    if (queue.waiting === 0 && this.#hasRoom("INTERACTIVE")) return undefined;
    return this.#refuseIfFull(queue.waitingOf(tenantId));
  }

  #refuseIfFull(waitingOfTenant: number): Refusal | undefined {
    if (waitingOfTenant >= this.#waitingPerTenantMax) return this.#overloaded("waitingCallsPerTenant", waitingOfTenant);
    if (this.waiting >= this.#waitingMax) return this.#overloaded("waitingCalls", this.waiting);
    return undefined;
  }

  #wait(queue: FlowQueue, flow: Flow, request: TurnRequest, signal: AbortSignal): Promise<Turn> {
    return new Promise((resolve, reject) => {
      const since = performance.now();
      const leave = () => {
        if (queue.remove(waiter)) reject(signal.reason);
      };
      const waiter: Waiter = {
        flow,
        tokens: request.tokens,
        grant: () => {
          signal.removeEventListener("abort", leave);
          resolve(this.#turn(flow, request, performance.now() - since));
        },
      };
      signal.addEventListener("abort", leave, { once: true });
      queue.add(waiter);
    });
  }

  #turn(flow: Flow, request: TurnRequest, waitedMs: number): Turn {
    const since = performance.now();
    let released = false;
    return {
      kind: "TURN",
      waitedMs,
      release: (usedTokens) => {
        if (released) return;
        released = true;
        this.#holdMs += holdSmoothing * (performance.now() - since - this.#holdMs);
        this.#classes[request.workClass].finish(flow, request.tokens, usedTokens);
        this.#dispatch();
      },
    };
  }

  #dispatch(): void {
    while (this.#classes.INTERACTIVE.waiting > 0 && this.#hasRoom("INTERACTIVE")) this.#classes.INTERACTIVE.next()?.grant();
    while (this.#classes.INGEST.waiting > 0 && this.#hasRoom("INGEST")) this.#classes.INGEST.next()?.grant();
  }

  #hasRoom(workClass: WorkClass): boolean {
    if (this.running >= this.options.slots) return false;
    if (workClass === "INTERACTIVE") return true;
    return this.#classes.INTERACTIVE.waiting === 0 && this.#classes.INGEST.running < this.#ingestSlots;
  }

  #overloaded(limit: string, ahead: number): Refusal {
    const retryAfterMs = Math.max(100, Math.ceil((this.#holdMs * ahead) / this.options.slots));
    return refusal("OVERLOADED", "Too many calls wait for a model", { limit, retryAfterMs });
  }
}
