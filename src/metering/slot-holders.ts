import type { TenantId } from "../kernel/ids.js";
import type { Holder, HolderWork } from "../insights/timed-request.js";

/** Holders with a sum of their own. Each look costs as many additions, so the bound is one of time as well as of memory. */
const namedMax = 16;
/** Where the other sums lie. */
const others = namedMax;
const elsewhere = namedMax + 1;
const rates = namedMax + 2;
const sumsCount = namedMax + 3;

interface Named {
  readonly tenantId: TenantId;
  readonly work: HolderWork;
}

/** A call that runs: whose sum grows. */
export interface Held {
  readonly at: number;
}

/** What the sums were at a moment. The upper half says which holder each of the named sums was of. */
export type Look = Float64Array;

/**
 * Who has held the slots of a pool, and how long, as sums that only grow: two looks and a subtraction
 * say who held them in between. Each moment is shared among the slots in use, other servers' among
 * them, so what lies between two looks adds up to the time between them.
 *
 * A change costs the same whatever waits. Sums are kept for the last 16 holders. One that gives its
 * place to another puts its sum with the `others`, from which a look from before takes off what it
 * had seen of it: no time is lost or counted twice, only its name.
 */
export class SlotHolders {
  readonly #sums = new Float64Array(sumsCount);
  /** Calls that run, of each named holder and of the others. */
  readonly #running = new Int32Array(namedMax + 1);
  /** What `#part` was when the sum was last brought up to date. */
  readonly #seen = new Float64Array(namedMax + 1);
  readonly #generation = new Float64Array(namedMax);
  readonly #endedAt = new Float64Array(namedMax);
  readonly #named: (Named | undefined)[] = Array.from({ length: namedMax });
  readonly #placeOf = new Map<HolderWork, Map<TenantId, number>>();
  #runningInAll = 0;
  #elsewhere = 0;
  #isRated = false;
  #now: number;
  /** What a single slot has had so far: the integral of one over the slots in use. */
  #part = 0;

  constructor(now: number) {
    this.#now = now;
  }

  started(tenantId: TenantId, work: HolderWork, now: number): Held {
    this.#advance(now);
    this.#isRated = false;
    const at = this.#placeFor(tenantId, work);
    this.#update(at);
    this.#running[at] = this.#count(at) + 1;
    this.#runningInAll += 1;
    return { at };
  }

  ended({ at }: Held, now: number): void {
    this.#advance(now);
    this.#update(at);
    this.#running[at] = this.#count(at) - 1;
    this.#runningInAll -= 1;
    if (at < namedMax) this.#endedAt[at] = now;
  }

  /** `slots` that other servers have now; `isRated`: calls wait for the provider's rates, and not for a slot. */
  bounded(slots: number, isRated: boolean, now: number): void {
    if (slots === this.#elsewhere && isRated === this.#isRated) return;
    this.#advance(now);
    this.#elsewhere = slots;
    this.#isRated = isRated;
  }

  look(now: number): Look {
    this.#advance(now);
    const look = new Float64Array(sumsCount + namedMax);
    for (let at = 0; at <= others; at += 1) {
      look[at] = (this.#sums[at] as number) + this.#count(at) * (this.#part - (this.#seen[at] as number));
    }
    look[elsewhere] = this.#sums[elsewhere] as number;
    look[rates] = this.#sums[rates] as number;
    look.set(this.#generation, sumsCount);
    return look;
  }

  /** Turns the look into what has been held since it was taken. */
  since(look: Look, now: number): HeldSince {
    const next = this.look(now);
    for (let at = 0; at < namedMax; at += 1) {
      if (next[sumsCount + at] === look[sumsCount + at]) next[at] = (next[at] as number) - (look[at] as number);
      // Whoever had this place then has put its sum with the others meanwhile, with what it had before the look.
      else next[others] = (next[others] as number) - (look[at] as number);
    }
    for (let at = others; at < sumsCount; at += 1) next[at] = (next[at] as number) - (look[at] as number);
    return new HeldSince(next, this.#named.slice());
  }

  /** A single slot's part of the time since the look; for a call that is not to count itself. */
  get part(): number {
    return this.#part;
  }

  #count(at: number): number {
    return this.#running[at] as number;
  }

  #advance(now: number): void {
    const ms = now - this.#now;
    if (ms <= 0) return;
    this.#now = now;
    const inUse = this.#isRated ? 0 : this.#runningInAll + this.#elsewhere;
    if (inUse === 0) {
      // Without rates it is the moment in which a slot goes from one call to the next.
      const to = this.#isRated ? rates : others;
      this.#sums[to] = (this.#sums[to] as number) + ms;
      return;
    }
    this.#part += ms / inUse;
    this.#sums[elsewhere] = (this.#sums[elsewhere] as number) + (ms * this.#elsewhere) / inUse;
  }

  #update(at: number): void {
    this.#sums[at] = (this.#sums[at] as number) + this.#count(at) * (this.#part - (this.#seen[at] as number));
    this.#seen[at] = this.#part;
  }

  #placeFor(tenantId: TenantId, work: HolderWork): number {
    let places = this.#placeOf.get(work);
    if (places === undefined) this.#placeOf.set(work, (places = new Map()));
    const known = places.get(tenantId);
    if (known !== undefined) return known;
    const at = this.#freePlace();
    if (at === others) return others;
    const before = this.#named[at];
    if (before !== undefined) {
      this.#placeOf.get(before.work)?.delete(before.tenantId);
      this.#sums[others] = (this.#sums[others] as number) + (this.#sums[at] as number);
    }
    this.#sums[at] = 0;
    this.#seen[at] = this.#part;
    this.#generation[at] = (this.#generation[at] as number) + 1;
    this.#named[at] = { tenantId, work };
    places.set(tenantId, at);
    return at;
  }

  /** That of the holder whose last call ended first: whoever floods has always one that runs. */
  #freePlace(): number {
    let free = others;
    let endedAt = Number.POSITIVE_INFINITY;
    for (let at = 0; at < namedMax; at += 1) {
      if (this.#running[at] !== 0) continue;
      if (this.#named[at] === undefined) return at;
      if ((this.#endedAt[at] as number) < endedAt) [free, endedAt] = [at, this.#endedAt[at] as number];
    }
    return free;
  }
}

/** Between two looks. Made into a list only for whoever asks. */
export class HeldSince {
  constructor(private readonly sums: Float64Array, private readonly named: readonly (Named | undefined)[]) {}

  /** `own`: what is not to be counted of this holder's. */
  list(own?: { readonly tenantId: TenantId; readonly work: HolderWork; readonly ms: number }): readonly Holder[] {
    const holders: Holder[] = [];
    this.named.forEach((holder, at) => {
      if (holder === undefined) return;
      const isOwn = own !== undefined && holder.tenantId === own.tenantId && holder.work === own.work;
      const ms = (this.sums[at] as number) - (isOwn ? own.ms : 0);
      if (ms > smallestMs) holders.push({ ...holder, ms });
    });
    for (const [work, at] of [["OTHERS", others], ["ELSEWHERE", elsewhere], ["RATES", rates]] as const) {
      const ms = this.sums[at] as number;
      if (ms > smallestMs) holders.push({ work, ms });
    }
    return holders;
  }
}

/** Less is rounding: of sums of a day in milliseconds, a double keeps eight digits behind the point. */
const smallestMs = 1e-4;
