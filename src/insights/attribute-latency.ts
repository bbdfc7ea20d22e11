import type { Clock } from "../kernel/clock.js";
import { systemClock } from "../kernel/clock.js";
import { badUserInput, notFound } from "../kernel/errors.js";
import { parseTenantId } from "../kernel/ids.js";
import type { TimingRow, TimingStore } from "../storage/control/timing-rows.js";
import { isProbeTenant } from "../tenancy/probe-tenant.js";
import { isErased, type TenantRecord } from "../tenancy/tenant-record.js";
import { judge, meanOf, quantileOf, shares, usualP95, type HolderShare, type LatencyVerdict, type TenantWindow } from "./latency-verdict.js";
import { fineMsDefault, hourMs, hoursKeptMs } from "./request-insights.js";
import { shownTenants, type TenantLookUp } from "./shown-tenants.js";
import { TenantFigures } from "./tenant-figures.js";
import { wholePeriods, type ReadPeriods } from "./whole-periods.js";

export interface LatencyQuestion {
  readonly from?: Date;
  readonly to?: Date;
  /** Comes from outside and is not trusted. */
  readonly tenantId?: unknown;
}

export interface StageLatency {
  readonly name: string;
  /** Of all time, from 0 to 1. */
  readonly share: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}

export interface ShownHolder extends Omit<HolderShare, "tenant"> {
  readonly tenant?: TenantRecord;
}

export interface TenantLatency {
  readonly tenant: TenantRecord;
  readonly requests: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly baselineP95Ms?: number;
  readonly stages: readonly StageLatency[];
  readonly queueHeldBy: readonly ShownHolder[];
}

export interface LatencyAttribution {
  /** Where what was read begins. */
  readonly from: Date;
  readonly to: Date;
  /** More was there than could be read: `from` is later than asked for, or what is usual is of less than a day. */
  readonly truncated: boolean;
  readonly requests: number;
  readonly verdict: Omit<LatencyVerdict, "slowTenants" | "because"> & { readonly slowTenants: readonly TenantRecord[]; readonly because: readonly ShownHolder[] };
  readonly stages: readonly StageLatency[];
  readonly tenants: readonly TenantLatency[];
}

const dayMs = 24 * hourMs;
const readNothing: ReadPeriods = { rows: [] };

/** A range of less is read from the short periods, a longer one from whole hours. */
const fineRangeMs = 6 * hourMs;
/** About 60 MB while they are added up. Of a range that has more, the latest periods are read, and the answer says so. */
export const attributionRowsMax = 20_000;
/** Tenants told of, slow ones first. The verdict is over all. */
const tenantsMax = 100;

/** Says where time goes, for whom, and because of whom. For operators. */
export class AttributeLatency {
  constructor(
    private readonly timings: Pick<TimingStore, "read" | "readTotals">,
    private readonly tenants: TenantLookUp,
    private readonly clock: Clock = systemClock,
    private readonly fineMs = fineMsDefault,
    private readonly rowsMax = attributionRowsMax,
  ) {}

  /** Throws `BAD_USER_INPUT`, `NOT_FOUND` for a tenant that is not there. */
  async run(question: LatencyQuestion): Promise<LatencyAttribution> {
    const { from: asked, to } = rangeOf(question, this.clock.now());
    const only = question.tenantId === undefined ? undefined : await this.#tenant(question.tenantId);
    const { windows, from, truncated } = await this.#windows(asked, to, only?.id);
    const records = await shownTenants(this.tenants, [...windows.keys(), ...[...windows.values()].flatMap(({ now }) => now.held.flatMap((part) => part.tenant ?? []))]);
    const shown = [...windows.values()].filter(({ tenant }) => records.has(tenant));
    const verdict = judge(shown);
    const all = new TenantFigures();
    for (const { now } of windows.values()) all.addRow(now.pack());
    const isSlow = new Set(verdict.slowTenants);
    const order = shown.map((window) => this.#told(window, records)).toSorted((a, b) => Number(isSlow.has(b.tenant.id)) - Number(isSlow.has(a.tenant.id)) || b.p95Ms - a.p95Ms);
    return {
      from, to, truncated,
      requests: all.requests,
      verdict: { ...verdict, slowTenants: verdict.slowTenants.flatMap((tenant) => records.get(tenant) ?? []), because: holders(verdict.because, records) },
      stages: stagesOf(all),
      tenants: order.slice(0, tenantsMax),
    };
  }

  async #tenant(id: unknown): Promise<TenantRecord> {
    const record = await this.tenants.find(parseTenantId(id));
    if (record === undefined || isErased(record)) throw notFound("Tenant");
    return record;
  }

  async #windows(from: Date, to: Date, tenant: string | undefined): Promise<{ readonly windows: ReadonlyMap<string, TenantWindow>; readonly from: Date; readonly truncated: boolean }> {
    const isFine = to.getTime() - from.getTime() <= fineRangeMs;
    const lengthMs = isFine ? this.fineMs : hourMs;
    const begins = new Date(Math.floor(from.getTime() / lengthMs) * lengthMs);
    const hour = new Date(Math.floor(begins.getTime() / hourMs) * hourMs);
    const of = tenant === undefined ? {} : { tenant };
    const [now, hours, fine] = await Promise.all([
      wholePeriods((max) => this.timings.read({ width: isFine ? "FINE" : "HOUR", from: begins, to, ...of }, max), this.rowsMax),
      wholePeriods((max) => this.timings.readTotals({ width: "HOUR", from: new Date(hour.getTime() - dayMs), to: hour, ...of }, max), this.rowsMax),
      // Of the hour in which the range begins, what came before it.
      begins > hour ? wholePeriods((max) => this.timings.readTotals({ width: "FINE", from: hour, to: begins, ...of }, max), this.rowsMax) : readNothing,
    ]);
    const windows = new Map<string, TenantWindow>();
    for (const row of now.rows) {
      // What the audit's own requests take is nobody's trouble; whom it holds up is told under that tenant.
      if (tenant !== undefined || !isProbeTenant(row.tenant)) windowOf(windows, row).now.addRow(row);
    }
    for (const row of [...hours.rows, ...fine.rows]) windows.get(row.tenant)?.before.addRow(row);
    const { readFrom = from } = now;
    return { windows, from: readFrom > from ? readFrom : from, truncated: [now, hours, fine].some((read) => read.readFrom !== undefined) };
  }

  #told({ tenant, now, before }: TenantWindow, records: ReadonlyMap<string, TenantRecord>): TenantLatency {
    const usual = usualP95(before);
    const { histogram } = now.total;
    return {
      tenant: records.get(tenant) as TenantRecord,
      requests: now.requests,
      p50Ms: histogram.quantile(0.5), p95Ms: histogram.quantile(0.95), p99Ms: histogram.quantile(0.99),
      ...(usual === undefined ? {} : { baselineP95Ms: usual }),
      stages: stagesOf(now),
      queueHeldBy: holders(shares(now.held, "queue_wait"), records),
    };
  }
}

function windowOf(windows: Map<string, TenantWindow>, { tenant }: TimingRow): TenantWindow {
  let window = windows.get(tenant);
  if (window === undefined) windows.set(tenant, (window = { tenant, now: new TenantFigures(), before: new TenantFigures() }));
  return window;
}

/** Most time first. */
function stagesOf(figures: TenantFigures): readonly StageLatency[] {
  const stages = [...figures.stages].map(([name, { ms }]) => ({
    name,
    share: figures.total.ms === 0 ? 0 : ms / figures.total.ms,
    meanMs: meanOf(figures, name),
    p50Ms: quantileOf(figures, name, 0.5), p95Ms: quantileOf(figures, name, 0.95), p99Ms: quantileOf(figures, name, 0.99),
  }));
  return stages.toSorted((a, b) => b.share - a.share);
}

/** A holder that was erased since is told as one of many. */
function holders(held: readonly HolderShare[], records: ReadonlyMap<string, TenantRecord>): readonly ShownHolder[] {
  return held.map(({ tenant, ...holder }) => {
    if (tenant === undefined) return holder;
    const record = records.get(tenant);
    return record === undefined ? { ...holder, work: "OTHERS" } : { ...holder, tenant: record };
  });
}

function rangeOf({ from, to }: LatencyQuestion, now: number): { readonly from: Date; readonly to: Date } {
  const end = to ?? new Date(now);
  const begin = from ?? new Date(end.getTime() - hourMs);
  if (begin >= end || end.getTime() - begin.getTime() > hoursKeptMs) {
    throw badUserInput("from", `${begin.toISOString()} to ${end.toISOString()}`, "a range of more than nothing and at most 35 days");
  }
  return { from: begin, to: end };
}
