/**
 * Keeps where requests spend their time, by tenant and period. Before it: the gateway and the door,
 * which tell it of every request, refusal and wait; behind it: the control plane, into which each
 * server writes its part every few seconds. Nothing here makes a request wait.
 */
import { randomBytes } from "node:crypto";
import type { Clock } from "../kernel/clock.js";
import { systemClock } from "../kernel/clock.js";
import type { TenantId } from "../kernel/ids.js";
import type { Telemetry } from "../kernel/telemetry.js";
import { othersName, type TimingRow, type TimingStore, type TimingWidth } from "../storage/control/timing-rows.js";
import { TenantFigures } from "./tenant-figures.js";
import type { Holder, RequestTimings, SharedStage, TimedRequest } from "./timed-request.js";

export interface InsightOptions {
  /** Length of the short periods. Tests shorten it. */
  readonly fineMs?: number;
  readonly flushMs?: number;
  /** Told of each request, for suites that check every one. */
  readonly onRequest?: (request: TimedRequest) => void;
}

export const fineMsDefault = 300_000;
export const hourMs = 3_600_000;
/** Fine periods are read for ranges of hours and as yesterday's of those; whole hours for ranges of weeks. */
const fineKeptMs = 26 * hourMs;
export const hoursKeptMs = 35 * 24 * hourMs;
/** Most that a crash loses. */
const flushMsDefault = 10_000;
/** Tenants kept apart in a period: about 15 KB each, so 15 MB a width. The others are added up as one. */
const tenantsMax = 1_000;
/** Periods that could not be written and wait: with 1,000 tenants a quarter of an hour. The oldest are given up. */
const pendingMax = 4_000;
/** Rows in one bulk write, about 2 MB. */
const bulkMax = 200;
/** By how much the stages of a request may miss its wall time, as a part of it and in ms: the two are read by different calls. */
const sumErrorMax = 0.01;
const sumErrorMsMax = 0.5;

interface Period {
  readonly tenant: string;
  readonly width: TimingWidth;
  readonly from: number;
  readonly figures: TenantFigures;
  isChanged: boolean;
}

/** Whether a request's stages add up to its wall time. */
export function addsUp({ times: { stages }, wallMs }: Pick<TimedRequest, "times" | "wallMs">): boolean {
  const sum = stages.reduce((total, { ms }) => total + ms, 0);
  return Math.abs(sum - wallMs) <= sumErrorMax * wallMs + sumErrorMsMax;
}

export class RequestInsights implements RequestTimings {
  readonly #server = randomBytes(9).toString("base64url");
  readonly #widths: readonly { readonly width: TimingWidth; readonly ms: number; readonly keptMs: number }[];
  /** By width, period and tenant. */
  readonly #periods = new Map<string, Period>();
  /** Tenants of a width's period. */
  readonly #counts = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #flushing: Promise<void> | undefined;
  #isFailing = false;

  constructor(
    private readonly store: Pick<TimingStore, "save">,
    private readonly telemetry: Telemetry,
    private readonly options: InsightOptions = {},
    private readonly clock: Clock = systemClock,
  ) {
    this.#widths = [{ width: "FINE", ms: options.fineMs ?? fineMsDefault, keptMs: fineKeptMs }, { width: "HOUR", ms: hourMs, keptMs: hoursKeptMs }];
  }

  start(): void {
    this.#timer ??= setInterval(() => void this.flush(), this.options.flushMs ?? flushMsDefault).unref();
  }

  /** Writes what there is. A store that is down does not keep the server from closing. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#flushing;
    await this.flush();
  }

  ended(request: TimedRequest): void {
    this.options.onRequest?.(request);
    const { served, times, wallMs } = request;
    if (!addsUp(request)) {
      this.telemetry.count("stage_sums_wrong_total");
      this.telemetry.log("error", "The stages of a request do not add up to its time", { wallMs, stages: Object.fromEntries(times.stages.map(({ name, ms }) => [name, ms])) });
    }
    if (served === undefined) return;
    const tier = served.kind === "TENANT" ? served.tier : served.kind;
    for (const { name, ms } of times.stages) this.telemetry.observe("stage_seconds", ms / 1_000, { stage: name, tier });
    if (served.kind === "TENANT") for (const figures of this.#of(served.tenantId)) figures.request(times);
  }

  refused(tenantId: TenantId): void {
    for (const figures of this.#of(tenantId)) figures.refusals += 1;
  }

  heldUp(tenantId: TenantId, stage: SharedStage, holders: readonly Holder[]): void {
    if (holders.length > 0) for (const figures of this.#of(tenantId)) figures.hold(stage, holders);
  }

  /** Of a tenant that is being erased, in this process; gives how many periods there were. */
  forget(tenant: string): number {
    let forgotten = 0;
    for (const [key, { tenant: of, figures }] of this.#periods) {
      if (of === tenant) {
        this.#remove(key);
        forgotten += 1;
      } else figures.forgetHolder(tenant);
    }
    return forgotten;
  }

  /** One at a time. Never rejects. */
  flush(): Promise<void> {
    this.#flushing ??= this.#flush().finally(() => (this.#flushing = undefined));
    return this.#flushing;
  }

  *#of(tenantId: string): Generator<TenantFigures> {
    const now = this.clock.now();
    for (const { width, ms } of this.#widths) yield this.#period(tenantId, width, Math.floor(now / ms) * ms);
  }

  #period(tenant: string, width: TimingWidth, from: number): TenantFigures {
    const key = `${width} ${from} ${tenant}`;
    let period = this.#periods.get(key);
    if (period === undefined) {
      const count = this.#counts.get(`${width} ${from}`) ?? 0;
      if (tenant !== othersName && count >= tenantsMax) return this.#period(othersName, width, from);
      this.#counts.set(`${width} ${from}`, count + 1);
      this.#periods.set(key, (period = { tenant, width, from, figures: new TenantFigures(), isChanged: true }));
    }
    period.isChanged = true;
    return period.figures;
  }

  #remove(key: string): void {
    const period = this.#periods.get(key);
    if (period === undefined || !this.#periods.delete(key)) return;
    const of = `${period.width} ${period.from}`;
    const left = (this.#counts.get(of) ?? 1) - 1;
    if (left > 0) this.#counts.set(of, left);
    else this.#counts.delete(of);
  }

  async #flush(): Promise<void> {
    const changed = [...this.#periods.values()].filter(({ isChanged }) => isChanged);
    try {
      for (let at = 0; at < changed.length; at += bulkMax) await this.#save(changed.slice(at, at + bulkMax));
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) this.telemetry.log("warn", "Where requests spend their time could not be written and is kept for the next try", { error: String(error) });
      this.#isFailing = true;
    }
    this.#drop();
  }

  async #save(periods: readonly Period[]): Promise<void> {
    // Before the write: what comes during it is written by the next one.
    for (const period of periods) period.isChanged = false;
    try {
      for (const tenant of await this.store.save(periods.map((period) => this.#rowOf(period)))) this.forget(tenant);
    } catch (error) {
      for (const period of periods) period.isChanged = true;
      throw error;
    }
  }

  /** Periods that are over and written; and the oldest of those that are not, once they are too many. */
  #drop(): void {
    const now = this.clock.now();
    const lengthOf = new Map(this.#widths.map(({ width, ms }) => [width, ms]));
    const over = [...this.#periods].filter(([, { width, from }]) => from + (lengthOf.get(width) ?? 0) <= now);
    const waiting = over.filter(([, { isChanged }]) => isChanged).toSorted(([, a], [, b]) => a.from - b.from);
    const lost = waiting.slice(0, Math.max(0, waiting.length - pendingMax));
    for (const [key, { isChanged }] of over) if (!isChanged) this.#remove(key);
    for (const [key] of lost) this.#remove(key);
    if (lost.length > 0) this.telemetry.log("error", "Timings of requests were given up because they cannot be written", { periods: lost.length });
  }

  #rowOf({ tenant, width, from, figures }: Period): TimingRow {
    const { keptMs = 0 } = this.#widths.find((candidate) => candidate.width === width) ?? {};
    return { tenant, server: this.#server, width, from: new Date(from), ...figures.pack(), expiresAt: new Date(from + keptMs) };
  }
}
