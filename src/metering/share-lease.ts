import { permilleTotal, type ShareClaim, type ShareView } from "../storage/control/pool-share-rows.js";
import { shareOut } from "./share-out.js";

/** How long a part lives in the store after its last beat: two beats may be lost on the way. */
export const leaseMs = 3_000;
/**
 * How long the server itself trusts it, from before the beat was sent. The rest is for clocks that run
 * at different speeds and for a new primary whose clock is behind.
 */
export const trustMs = 2_000;
/** How often the fractions of a slot go to another server. */
const turnMs = 1_000;

export interface Part {
  readonly slots: number;
  readonly permille: number;
}

export interface SentBeat extends Part {
  readonly seq: number;
  readonly sentAt: number;
}

const nothing: Part = { slots: 0, permille: 0 };

/**
 * One server's part of a pool, as far as it can be sure of it. It uses the lesser of what it was given
 * last and what is fair, and no beat asks for less than that: so whether a beat lands or not, what is
 * used stands in the store, and no other server has been given it. It knows no timer and no socket.
 */
export class ShareLease {
  /** By the last answer; it lives until `#heldUntil` at least. */
  #held: Part = nothing;
  #heldUntil = Number.NEGATIVE_INFINITY;
  /** What this server should have by the last answer; before the first, whatever is free. */
  #fair: Part;
  #published: Part = nothing;
  #free: Part = nothing;
  #seq = 0;

  /** `total`: what there is to share; no rates to share are 0. */
  constructor(private readonly id: string, private readonly total: Part, private readonly now: () => number) {
    this.#fair = total;
  }

  /** Calls that may run. More may be running when others have come; then none starts. */
  get slots(): number {
    return this.#isLive ? Math.min(this.#held.slots, this.#fair.slots) : 0;
  }

  get permille(): number {
    return Math.min(this.#held.permille, this.#fair.permille);
  }

  /** Of the clock given. */
  get until(): number {
    return this.#heldUntil;
  }

  /** Begins a beat. One at a time; `running` are the calls that run now. */
  begin(running: number): SentBeat {
    this.#seq += 1;
    return { ...this.#wanted(running), seq: this.#seq, sentAt: this.now() };
  }

  answered(beat: SentBeat, view: ShareView): void {
    const mine = view.servers.find(({ id }) => id === this.id) ?? nothing;
    this.#held = { slots: mine.slots, permille: mine.permille };
    this.#heldUntil = beat.sentAt + trustMs;
    this.#published = this.#held;
    const sum = (of: keyof Part): number => view.servers.reduce((total, server) => total + server[of], 0);
    this.#free = { slots: this.total.slots - sum("slots"), permille: this.total.permille - sum("permille") };
    const fair = (of: keyof Part, needOf: (claim: ShareClaim) => number): number => {
      const claimants = view.servers.map(({ id, claims }) => ({ id, claims: claims.map((claim) => ({ ...claim, need: needOf(claim) })) }));
      return shareOut(this.total[of], claimants, Math.floor(view.at / turnMs)).get(this.id) ?? 0;
    };
    this.#fair = {
      slots: fair("slots", ({ running, waiting }) => running + waiting),
      // A call that waits can use all there is: how many run says nothing about how fast they end.
      permille: fair("permille", ({ waiting }) => waiting * permilleTotal),
    };
  }

  /** This server has what others should have, and can spare it. */
  owes(running: number): boolean {
    const { slots, permille } = this.#wanted(running);
    return slots < this.#published.slots || permille < this.#published.permille;
  }

  /** It has less than it should. */
  get lacks(): boolean {
    return this.#fair.slots > this.#published.slots || this.#fair.permille > this.#published.permille;
  }

  /** And there is some that nobody has. */
  get lacksWhatIsFree(): boolean {
    return (this.#fair.slots > this.#published.slots && this.#free.slots > 0) || (this.#fair.permille > this.#published.permille && this.#free.permille > 0);
  }

  /** Calls that run are the provider's load, whosever turn it is. */
  #wanted(running: number): Part {
    return { slots: Math.max(running, this.#fair.slots), permille: this.#fair.permille };
  }

  get #isLive(): boolean {
    return this.now() < this.#heldUntil;
  }
}
