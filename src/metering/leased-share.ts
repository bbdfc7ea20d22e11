/**
 * This server's part of a pool that several servers share. Each tells the others through the store
 * what its tenants want, several times a second; each computes the same division and takes its part
 * when it is free. `ShareLease` argues why no two use one slot.
 */
import { randomBytes } from "node:crypto";
import type { Telemetry } from "../kernel/telemetry.js";
import { permilleTotal, type PoolShareStore } from "../storage/control/pool-share-rows.js";
import { RatePart, type PoolShare, type ProviderRates, type ShareUser } from "./pool-share.js";
import { ShareClaims } from "./share-claims.js";
import { leaseMs, ShareLease } from "./share-lease.js";

export interface SharedPool extends ProviderRates {
  readonly name: string;
  /** Calls that all servers together may have running. */
  readonly slots: number;
}

/** With calls running or waiting. What a newcomer is owed is noticed within this. */
const beatMs = 200;
/** While slots are owed to this server. */
const lackingBeatMs = 50;
/** With nothing to do: often enough that the part is still there for the next question. */
const idleBeatMs = 1_000;
/** Calls that end together are told of together. */
const soonMs = 20;

export class LeasedShare implements PoolShare {
  readonly #server = randomBytes(9).toString("base64url");
  readonly #lease: ShareLease;
  readonly #claims: ShareClaims;
  readonly #rates: RatePart;
  #user: ShareUser | undefined;
  #timer: NodeJS.Timeout | undefined;
  #dueAt = Number.POSITIVE_INFINITY;
  #beating: Promise<void> | undefined;
  /** The store knows that calls wait here. */
  #waitIsKnown = false;
  #isFailing = false;
  #closed = false;

  constructor(private readonly pool: SharedPool, private readonly store: PoolShareStore, private readonly telemetry: Telemetry, private readonly now: () => number = () => performance.now()) {
    this.#lease = new ShareLease(this.#server, { slots: pool.slots, permille: isRated(pool) ? permilleTotal : 0 }, now);
    this.#claims = new ShareClaims(this.#server, now);
    this.#rates = new RatePart(pool, 0, now);
  }

  get slots(): number {
    return this.#lease.slots;
  }

  get pauseMs(): number {
    return this.#rates.pauseMs;
  }

  started(tenantId: string, weight: number, rank: number, tokens: number): void {
    this.#rates.started(tokens);
    this.#claims.started(tenantId, weight, rank);
  }

  ended(chargedTokens: number, usedTokens: number): void {
    this.#rates.ended(chargedTokens, usedTokens);
    if (this.#lease.owes(this.#user?.running ?? 0)) this.#beatWithin(soonMs);
  }

  wanted(): void {
    // A store that is down is not asked more often for it.
    if (!this.#waitIsKnown && !this.#isFailing) this.#beatWithin(0);
  }

  attach(user: ShareUser): void {
    this.#user = user;
    this.#beatWithin(0);
  }

  /** To be called when nothing runs any more: the part is free for others at once. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#beating;
    // A store that is down forgets the part by itself within its lease: no reason for a shutdown to fail.
    await this.store.leave(this.pool.name, this.#server).catch(() => undefined);
  }

  #beatWithin(ms: number): void {
    const dueAt = this.now() + ms;
    if (this.#closed || dueAt >= this.#dueAt) return;
    this.#dueAt = dueAt;
    // The end of the beat under way sets the timer.
    if (this.#beating !== undefined) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#dueAt = Number.POSITIVE_INFINITY;
      this.#beating = this.#beat().then((nextMs) => {
        this.#beating = undefined;
        const askedMs = this.#dueAt - this.now();
        this.#dueAt = Number.POSITIVE_INFINITY;
        this.#beatWithin(Math.max(0, Math.min(nextMs, askedMs)));
      });
    }, ms).unref();
  }

  /** Resolves with the time until the next one is due. Never rejects. */
  async #beat(): Promise<number> {
    const { name, slots: slotsTotal } = this.pool;
    const claims = this.#claims.read(this.#user?.demand() ?? []);
    const { sentAt, ...wanted } = this.#lease.begin(this.#user?.running ?? 0);
    this.#waitIsKnown = claims.some(({ waiting }) => waiting > 0);
    try {
      const view = await this.store.beat(name, { ...wanted, server: this.#server, claims, slotsTotal, leaseMs });
      this.#lease.answered({ ...wanted, sentAt }, view);
      this.#rates.resize(this.#lease.permille / permilleTotal, this.#lease.until);
      this.#isFailing = false;
    } catch (error) {
      this.#waitIsKnown = false;
      if (!this.#isFailing) this.telemetry.log("warn", "This server's share of a model pool could not be renewed", { pool: name, error: String(error) });
      this.#isFailing = true;
      return beatMs;
    }
    this.#user?.resume();
    if (this.#lease.owes(this.#user?.running ?? 0) || this.#lease.lacksWhatIsFree) return soonMs;
    if (claims.length === 0) return idleBeatMs;
    return this.#lease.lacks ? lackingBeatMs : beatMs;
  }
}

function isRated({ requestsPerMinute, tokensPerMinute }: ProviderRates): boolean {
  return requestsPerMinute !== undefined || tokensPerMinute !== undefined;
}
