import { BulkheadError, serviceUnavailable } from "../kernel/errors.js";
import type { Clock } from "../kernel/clock.js";
import type { TenantId } from "../kernel/ids.js";
import type { Refusal } from "../kernel/refusal.js";
import type { SpendingChange, SpendingRow, SpendingStore } from "../storage/control/spending-rows.js";
import type { TierPolicy } from "../tenancy/tier-policy.js";
import { laterOf, periodsAt, type Periods } from "./budget-limits.js";
import { boundsOf, decide, refusalOf, type Ask, type Decision, type HeldPart, type Release } from "./spending-decision.js";
import { changedRow } from "./memory-spending-store.js";
import { withinTimeout } from "./within-timeout.js";
import { isStale, renewed, type Sums } from "./spending-figures.js";

export interface LaneParts {
  readonly tenantId: TenantId;
  /** Names this server in the row. */
  readonly holder: string;
  readonly store: SpendingStore;
  readonly sums: (periods: Periods) => Promise<Sums>;
  readonly clock: Clock;
  /** Told of the row after every change, and of what was refused. */
  readonly onChanged: (row: SpendingRow, refused: Decision["refused"]) => void;
}

/** A server that says nothing for this long has died: its holds go back. Well within the 60 s that are promised. */
export const leaseMs = 40_000;
/** How old the row may be that refuses on a shared store: a flood of retries must not become a flood of reads. */
const freshMs = 100;
/** After a failure asks fail at once for this long. With the store's own second, recovery is noticed within two. */
const restMs = 500;
/** Each try after the first means that another server changed the row in between. */
const attemptsMax = 12;

/** A call waits for its reservation: a store that says nothing is noticed within a second. */
const storeMsMax = 1_000;
/** Summing a month of a large tenant takes longer than finding a row, and is done once a period. */
const sumsMsMax = 3_000;
const nothing = { dayMicroUsd: 0, monthMicroUsd: 0, heldMicroUsd: 0, calls: 0 } as const;

/** Numbers of changes, never used twice in this process. */
let lastSeq = 0;

/**
 * One tenant's spending as this server changes it. One change is on its way at a time, and all that
 * comes meanwhile goes with the next, as in a group commit: the row is one hot document.
 */
export class SpendingLane {
  #asks: Ask[] = [];
  #releases: Release[] = [];
  #looks: { resolve: (row: SpendingRow) => void; reject: (error: unknown) => void }[] = [];
  #beatDue = false;
  #isRunning = false;
  #runs: Promise<void> = Promise.resolve();
  #row: SpendingRow | undefined;
  #readAt = -Infinity;
  #restsUntil = -Infinity;
  #generation = 0;
  #held = 0;
  /** A change whose answer was lost. It may have landed, or may do so yet. */
  #unclear: { readonly seq: number; readonly decision: Decision } | undefined;

  constructor(private readonly parts: LaneParts) {}

  get isIdle(): boolean {
    return !this.#isRunning && this.#held === 0 && this.#releases.length === 0 && this.#unclear === undefined;
  }

  /** A promise only where something must be waited for. Throws `SERVICE_UNAVAILABLE`. */
  ask(policy: TierPolicy, microUsd: number, calls: number): HeldPart | Refusal | Promise<HeldPart | Refusal> {
    if (this.#rests) return Promise.reject(unavailable());
    return this.#askNow(policy, microUsd, calls) ?? new Promise((resolve, reject) => {
      this.#asks.push({ policy, microUsd, calls, resolve, reject });
      this.#kick();
    });
  }

  release(release: Release): void {
    this.#releases.push(release);
    this.#kick();
  }

  /** The row as it stands now. Throws `SERVICE_UNAVAILABLE`. */
  look(): Promise<SpendingRow> {
    return new Promise((resolve, reject) => {
      this.#looks.push({ resolve, reject });
      this.#kick();
    });
  }

  /** Extends the lease of what is held. */
  beat(): void {
    if (this.#held === 0) return;
    this.#beatDue = true;
    this.#kick();
  }

  /** The row was changed past this lane. */
  forgetRow(): void {
    this.#row = undefined;
  }

  /** Until everything that was handed in has been written, or the store has failed. */
  async drained(): Promise<void> {
    while (this.#isRunning) await this.#runs;
  }

  #kick(): void {
    if (this.#isRunning || this.#rests || this.#serveNow()) return;
    this.#isRunning = true;
    this.#runs = this.#run();
  }

  get #rests(): boolean {
    return this.#restsUntil > 0 && performance.now() < this.#restsUntil;
  }

  #askNow(policy: TierPolicy, microUsd: number, calls: number): HeldPart | Refusal | undefined {
    if (this.parts.store.here === undefined || this.#isRunning) return undefined;
    let given: HeldPart | Refusal | undefined;
    this.#asks.push({ policy, microUsd, calls, resolve: (answer) => (given = answer), reject: noReject });
    if (!this.#serveNow()) this.#asks.pop();
    return given;
  }

  /**
   * Where the rows lie in this process a change is some instructions: going round by promises would
   * cost ten times as much. False when something has to be waited for, such as the ledger's figures.
   */
  #serveNow(): boolean {
    const { tenantId, holder, store, clock } = this.parts;
    const row = store.here?.find(tenantId);
    if (store.here === undefined || row === undefined || this.#looks.length > 0) return false;
    const now = clock.now();
    if (isStale(row, laterOf(periodsAt(now), row), holder, now)) return false;
    const decision = decide(row, this.#asks, this.#releases, this.#generation, now);
    const isChange = decision.accepted.length > 0 || decision.releases.length > 0;
    this.#row = isChange ? changedRow(row, holder, (lastSeq += 1), decision.add, new Date(now + leaseMs), decision.isDoubtful ? true : row.doubtful) : row;
    store.here.put(this.#row);
    this.#asks = [];
    this.#releases = [];
    this.#account(decision);
    this.#tell(this.#row, decision);
    return true;
  }

  async #run(): Promise<void> {
    while (this.#asks.length + this.#releases.length + this.#looks.length > 0 || this.#beatDue) {
      const [asks, looks] = [this.#asks.splice(0), this.#looks.splice(0)];
      try {
        await this.#serve(asks);
        if (looks.length > 0 && !this.#isFresh()) this.#row = undefined;
        for (const { resolve } of looks) resolve(await this.#current());
      } catch (error) {
        const failure = error instanceof BulkheadError ? error : unavailable(error);
        for (const { reject } of [...asks, ...looks, ...this.#asks.splice(0), ...this.#looks.splice(0)]) reject(failure);
        this.#row = undefined;
        this.#rest();
        break;
      }
    }
    // Here and not when the promise is done: what is handed in between would wait for nobody.
    this.#isRunning = false;
  }

  #rest(): void {
    this.#restsUntil = performance.now() + restMs;
    // What was settled must get there even if nobody asks again.
    setTimeout(() => this.#kick(), restMs + 1).unref();
  }

  async #serve(asks: readonly Ask[]): Promise<void> {
    if (this.#unclear !== undefined) await this.#clear();
    if (asks.length === 0 && this.#releases.length === 0 && !this.#beatDue) return;
    for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
      // Without a row there is nothing to settle: the next one is made from the ledger.
      if (asks.length === 0 && this.#row === undefined && (await this.#read()) === undefined) return this.#dropReleases();
      const row = await this.#current();
      const decision = decide(row, asks, [...this.#releases], this.#generation, this.parts.clock.now());
      // What refuses may have been given back by another server since.
      if (decision.refused.length > 0 && !this.#isFresh()) this.#row = undefined;
      else if (decision.accepted.length === 0 && decision.releases.length === 0 && !this.#beatDue) return this.#tell(row, decision);
      else if (await this.#change(row, decision)) return;
    }
    throw serviceUnavailable("Too many servers change the tenant's spending at once", restMs);
  }

  async #change(row: SpendingRow, decision: Decision): Promise<boolean> {
    const { tenantId, store } = this.parts;
    const change = this.#changeOf(row, decision);
    let changed: SpendingRow | undefined;
    try {
      changed = await within(store.change(tenantId, change));
    } catch (error) {
      this.#unclear = { seq: change.seq, decision };
      this.#releases.splice(0, decision.releases.length);
      throw error;
    }
    this.#keep(changed);
    if (changed === undefined) return false;
    this.#releases.splice(0, decision.releases.length);
    this.#beatDue = false;
    this.#account(decision);
    this.#tell(changed, decision);
    return true;
  }

  #changeOf(row: SpendingRow, decision: Decision): SpendingChange {
    const { holder, clock } = this.parts;
    const { add, isDoubtful } = decision;
    const only = { day: row.day, month: row.month, budgetVersion: row.budgetVersion, seq: row.holds[holder]?.seq, ...boundsOf(decision) };
    return { holder, only, seq: (lastSeq += 1), add, until: new Date(clock.now() + leaseMs), ...(isDoubtful ? { doubtful: true } : {}) };
  }

  #account({ accepted, releases }: Decision): void {
    this.#held += accepted.length;
    for (const { parts } of releases) for (const { generation } of parts) if (generation === this.#generation) this.#held -= 1;
  }

  #tell(row: SpendingRow, decision: Decision): void {
    for (const { microUsd, calls, resolve } of decision.accepted) resolve({ microUsd, calls, generation: this.#generation });
    for (const refused of decision.refused) refused.ask.resolve(refusalOf(refused));
    this.parts.onChanged(row, decision.refused);
  }

  #dropReleases(): void {
    this.#releases.length = 0;
    this.#beatDue = false;
  }

  /** A row of the present periods, from memory where there is one. */
  async #current(): Promise<SpendingRow> {
    const { tenantId, holder, store, sums, clock } = this.parts;
    for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
      const row = this.#row ?? (await this.#read());
      const periods = laterOf(periodsAt(clock.now()), row);
      if (row !== undefined && !isStale(row, periods, holder, clock.now())) return row;
      const next = renewed(tenantId, row, periods, await within(sums(periods), sumsMsMax), holder, clock.now());
      this.#keep((await within(store.replace(next))) ? next : undefined);
    }
    throw serviceUnavailable("Too many servers change the tenant's spending at once", restMs);
  }

  async #read(): Promise<SpendingRow | undefined> {
    const row = await within(this.parts.store.find(this.parts.tenantId));
    this.#keep(row);
    if (this.#held > 0 && row?.holds[this.parts.holder] === undefined) {
      // Another server took this one for dead, or the row is gone: nothing is held any more.
      this.#generation += 1;
      this.#held = 0;
    }
    return row;
  }

  #keep(row: SpendingRow | undefined): void {
    this.#row = row;
    if (row !== undefined) this.#readAt = performance.now();
  }

  #isFresh(): boolean {
    return !this.parts.store.shared || performance.now() - this.#readAt < freshMs;
  }

  /**
   * Finds out about a change whose answer was lost. One that is not there may still be on its way, so
   * another is put in its place first: the late one then finds another number and does nothing.
   */
  async #clear(): Promise<void> {
    const { tenantId, holder, store, clock } = this.parts;
    for (let attempt = 1; this.#unclear !== undefined && attempt <= attemptsMax; attempt += 1) {
      const { seq, decision } = this.#unclear;
      const row = await this.#read();
      const landed = row?.holds[holder]?.seq === seq;
      if (landed) this.#account(decision);
      if (landed || row === undefined) {
        // Whoever asked was told of a failure and has not made the call.
        if (landed) this.#releases.push({ parts: decision.accepted.map(({ microUsd, calls }) => ({ microUsd, calls, generation: this.#generation })), charges: [] });
        this.#unclear = undefined;
        return;
      }
      const only = { day: row.day, month: row.month, budgetVersion: row.budgetVersion, seq: row.holds[holder]?.seq };
      const barrier = await within(store.change(tenantId, { holder, only, seq: (lastSeq += 1), add: nothing, until: new Date(clock.now() + leaseMs) }));
      this.#keep(barrier);
      if (barrier === undefined) continue;
      this.#releases.unshift(...decision.releases);
      this.#unclear = undefined;
    }
    if (this.#unclear !== undefined) throw unavailable();
  }
}

/** What is served at once either is, or is asked again. */
function noReject(): void {}

function within<Value>(answer: Promise<Value>, msMax = storeMsMax): Promise<Value> {
  return withinTimeout(answer, msMax);
}

function unavailable(cause?: unknown): BulkheadError {
  return serviceUnavailable("Spending cannot be counted now, so nothing is spent", 1_000, cause);
}
