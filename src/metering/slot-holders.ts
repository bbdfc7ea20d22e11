import type { TenantId } from "../kernel/ids.js";
import type { Holder, HolderWork } from "../insights/timed-request.js";

/** Holders with a sum of their own. Each look costs as many additions, so the bound is one of time as well as of memory. */
const namedMax = 8;
/** Where the other sums lie. */
const others = namedMax;
const elsewhere = namedMax + 1;
const rates = namedMax + 2;
const sumsCount = namedMax + 3;

/** A tenant's work of one class. Kept by whoever starts its calls, and knows where its sum lies, so that nothing is looked up. */
export interface Holding {
  readonly tenantId: TenantId;
  readonly work: HolderWork;
  /** Below 0: nowhere yet. */
  place: number;
  generation: number;
}

export function holdingOf(tenantId: TenantId, work: HolderWork): Holding {
  return { tenantId, work, place: -1, generation: 0 };
}

/** What the sums were at a moment, and behind them which holder each of the named ones was of. */
export type Look = Float64Array;

/** Looks that are kept to be used again: ten thousand calls may wait, and to make and collect one for each costs more than all that is done with it. */
const sparesMax = 10_000;
/** Of the time between two looks. Who held less is told with the others: with a thousand tenants in a line each held a thousandth, and no list of them says anything. */
const shareMin = 0.01;

/**
 * Who has held the slots of a pool, and how long, as sums that only grow: two looks and a subtraction
 * say who held them in between. Each moment is shared among the slots in use, other servers' among
 * them, so what lies between two looks adds up to the time between them.
 *
 * A change costs the same whatever waits. Sums are kept for the last eight holders. One that gives its
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
  readonly #spares: Look[] = [];
  readonly #named: (Holding | undefined)[] = Array.from({ length: namedMax });
  #runningInAll = 0;
  #elsewhere = 0;
  #isRated = false;
  #now: number;
  /** What a single slot has had so far: the integral of one over the slots in use. */
  #part = 0;

  constructor(now: number) {
    this.#now = now;
  }

  /** Gives the place that `ended` has to be told. */
  started(holding: Holding, now: number): number {
    this.#advance(now);
    this.#isRated = false;
    const at = holding.place >= 0 && this.#generation[holding.place] === holding.generation ? holding.place : this.#giveTo(holding);
    this.#update(at);
    this.#running[at] = this.#count(at) + 1;
    this.#runningInAll += 1;
    return at;
  }

  ended(at: number, now: number): void {
    this.#advance(now);
    this.#update(at);
    this.#running[at] = this.#count(at) - 1;
    this.#runningInAll -= 1;
    if (at < namedMax) this.#endedAt[at] = now;
  }

  /** `slots` that other servers have now; `isRated`: calls wait for the provider's rates, and not for a slot. */
  bounded(slots: number, isRated: boolean): void {
    // Asked at each change, and mostly nothing has: the clock is not read for that.
    if (slots === this.#elsewhere && isRated === this.#isRated) return;
    this.#advance(performance.now());
    this.#elsewhere = slots;
    this.#isRated = isRated;
  }

  /** To be given back, by `since` or `drop`. */
  look(now: number): Look {
    this.#advance(now);
    const look = this.#spares.pop() ?? new Float64Array(sumsCount + namedMax);
    for (let at = 0; at <= others; at += 1) look[at] = this.#sumAt(at);
    look[elsewhere] = this.#sums[elsewhere] as number;
    look[rates] = this.#sums[rates] as number;
    for (let at = 0; at < namedMax; at += 1) look[sumsCount + at] = this.#generation[at] as number;
    return look;
  }

  drop(look: Look): void {
    if (this.#spares.length < sparesMax) this.#spares.push(look);
  }

  /** Who held the slots since the look. `own`: what is not to be counted of this holder's. */
  since(look: Look, now: number, own?: { readonly tenantId: TenantId; readonly work: HolderWork; readonly ms: number }): readonly Holder[] {
    this.#advance(now);
    const holders: Holder[] = [];
    let total = 0;
    let ofOthers = this.#sumAt(others) - (look[others] as number);
    for (let at = 0; at < namedMax; at += 1) {
      const seen = look[at] as number;
      const isSame = look[sumsCount + at] === this.#generation[at];
      look[at] = this.#sumAt(at) - (isSame ? seen : 0);
      // Whoever had this place then has put its sum with the others meanwhile, with what it had before the look.
      if (!isSame) ofOthers -= seen;
      total += look[at] as number;
    }
    const ofElsewhere = (this.#sums[elsewhere] as number) - (look[elsewhere] as number);
    const ofRates = (this.#sums[rates] as number) - (look[rates] as number);
    const msMin = Math.max(smallestMs, shareMin * (total + ofOthers + ofElsewhere + ofRates));
    for (let at = 0; at < namedMax; at += 1) {
      const holder = this.#named[at];
      if (holder === undefined) continue;
      const isOwn = own !== undefined && holder.tenantId === own.tenantId && holder.work === own.work;
      const ms = (look[at] as number) - (isOwn ? own.ms : 0);
      if (ms >= msMin) holders.push({ tenantId: holder.tenantId, work: holder.work, ms });
      else ofOthers += ms;
    }
    this.drop(look);
    if (ofOthers > smallestMs) holders.push({ work: "OTHERS", ms: ofOthers });
    if (ofElsewhere > smallestMs) holders.push({ work: "ELSEWHERE", ms: ofElsewhere });
    if (ofRates > smallestMs) holders.push({ work: "RATES", ms: ofRates });
    return holders;
  }

  /** A single slot's part of all time so far; for a call that is not to count itself. */
  partNow(now: number): number {
    this.#advance(now);
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

  #sumAt(at: number): number {
    return (this.#sums[at] as number) + this.#count(at) * (this.#part - (this.#seen[at] as number));
  }

  #update(at: number): void {
    this.#sums[at] = this.#sumAt(at);
    this.#seen[at] = this.#part;
  }

  #giveTo(holding: Holding): number {
    const at = this.#freePlace();
    if (at === others) return others;
    if (this.#named[at] !== undefined) this.#sums[others] = (this.#sums[others] as number) + (this.#sums[at] as number);
    this.#sums[at] = 0;
    this.#seen[at] = this.#part;
    this.#generation[at] = (this.#generation[at] as number) + 1;
    this.#named[at] = holding;
    holding.place = at;
    holding.generation = this.#generation[at] as number;
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

/** Less is rounding: of sums of a day in milliseconds, a double keeps eight digits behind the point. */
const smallestMs = 1e-4;
