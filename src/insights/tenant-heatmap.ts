import type { Clock } from "../kernel/clock.js";
import { systemClock } from "../kernel/clock.js";
import { badUserInput } from "../kernel/errors.js";
import { pageSizeMax } from "../kernel/page.js";
import type { TimingRow, TimingStore } from "../storage/control/timing-rows.js";
import type { UsageByHour } from "../storage/control/usage-rows.js";
import { isProbeTenant } from "../tenancy/probe-tenant.js";
import type { TenantRecord } from "../tenancy/tenant-record.js";
import type { TierPolicies } from "../tenancy/tier-policy.js";
import { LogHistogram } from "./log-histogram.js";
import { leadingShare, suggest, type Suggestion, type TenantActivity } from "./placement-suggestions.js";
import { fineMsDefault, hourMs, hoursKeptMs } from "./request-insights.js";
import { shownTenants, type TenantLookUp } from "./shown-tenants.js";
import { wholePeriods } from "./whole-periods.js";

export const heatmapMeasures = ["COST", "TOKENS", "REQUESTS", "REFUSALS", "LATENCY_P95", "QUEUE_WAIT"] as const;
export type HeatmapMeasure = (typeof heatmapMeasures)[number];

export interface HeatmapQuestion {
  readonly measure: HeatmapMeasure;
  readonly from?: Date;
  readonly to?: Date;
  readonly bucketMinutes?: number;
  readonly first?: number;
}

export interface HeatmapRow {
  readonly tenant: TenantRecord;
  readonly total: number;
  /** One a column; null where nothing happened. */
  readonly cells: readonly (number | null)[];
  /** How often it hit a limit. */
  readonly refusals: number;
}

export interface Heatmap {
  readonly measure: HeatmapMeasure;
  readonly unit: string;
  /** More was there than could be read: it begins later than asked for; of cost and tokens only the refusals and suggestions do. */
  readonly truncated: boolean;
  readonly from: Date;
  readonly to: Date;
  readonly bucketMinutes: number;
  readonly columns: readonly Date[];
  /** Highest first. */
  readonly rows: readonly HeatmapRow[];
  readonly max: number;
  readonly suggestions: readonly Suggestion[];
}

export const unitOf: Readonly<Record<HeatmapMeasure, string>> = { COST: "micro-dollars", TOKENS: "tokens", REQUESTS: "requests", REFUSALS: "refusals", LATENCY_P95: "ms", QUEUE_WAIT: "ms a request" };

const dayMs = 24 * hourMs;
const rowsDefault = 50;
/** What a screen can show, and a week by hours. */
const columnsMax = 200;
/** About 20 MB while they are added up. Of a range that has more, the latest periods are read, and the answer says so. */
export const heatmapRowsMax = 20_000;

/** What one tenant did in one column. */
interface Cell {
  requests: number;
  refusals: number;
  queueWaitMs: number;
  readonly total: LogHistogram;
  tokens: number;
  costMicroUsd: number;
  /** For which it held slots that others waited for. */
  heldMs: number;
}

type Grid = Map<string, (Cell | undefined)[]>;

/** Tenants by time. For operators; holds no tenant's content. */
export class TenantHeatmap {
  constructor(
    private readonly timings: Pick<TimingStore, "readTotals">,
    private readonly usage: UsageByHour,
    private readonly tenants: TenantLookUp,
    private readonly policies: TierPolicies,
    private readonly clock: Clock = systemClock,
    private readonly fineMs = fineMsDefault,
    private readonly rowsMax = heatmapRowsMax,
  ) {}

  /** Throws `BAD_USER_INPUT`. */
  async run(question: HeatmapQuestion): Promise<Heatmap> {
    const { from, to, bucketMs, columns } = this.#frame(question);
    const isFine = bucketMs < hourMs;
    const [{ rows: timings, readFrom }, usage] = await Promise.all([
      wholePeriods((max) => this.timings.readTotals({ width: isFine ? "FINE" : "HOUR", from, to }, max), this.rowsMax),
      this.usage.read(from, to),
    ]);
    const columnOf = (at: Date): number => Math.floor((at.getTime() - from.getTime()) / bucketMs);
    const grid: Grid = new Map();
    const cellOf = (tenant: string, at: Date): Cell => cellAt(grid, tenant, Math.max(0, columnOf(at)), columns.length);
    for (const row of timings) addTimings(row, cellOf);
    for (const { tenant, hour, tokens, costMicroUsd } of usage) {
      const cell = cellOf(tenant, hour);
      cell.tokens += tokens;
      cell.costMicroUsd += costMicroUsd;
    }
    const records = await shownTenants(this.tenants, [...grid.keys()].filter((id) => !isProbeTenant(id)));
    const { measure, first = rowsDefault } = question;
    // Columns of which a part is missing are left out; the ledger's are whole.
    const read = readFrom === undefined ? 0 : Math.min(columns.length - 1, Math.ceil((readFrom.getTime() - from.getTime()) / bucketMs));
    const begins = isOfLedger(measure) ? 0 : read;
    const rows = [...grid].flatMap(([tenant, cells]) => {
      const record = records.get(tenant);
      return record === undefined ? [] : [rowOf(measure, record, cells.slice(begins))];
    });
    const shown = rows.filter(({ cells }) => cells.some((cell) => cell !== null)).toSorted((a, b) => b.total - a.total).slice(0, first);
    return {
      measure, unit: unitOf[measure], truncated: readFrom !== undefined, from: columns[begins] ?? from, to, bucketMinutes: bucketMs / 60_000, columns: columns.slice(begins), rows: shown,
      max: Math.max(0, ...shown.flatMap(({ cells }) => cells.map((cell) => cell ?? 0))),
      suggestions: this.#suggestions(new Map([...grid].map(([tenant, cells]) => [tenant, cells.slice(read)])), records, (to.getTime() - (columns[read] ?? from).getTime()) / hourMs),
    };
  }

  #frame({ measure, from, to, bucketMinutes = 60, first = rowsDefault }: HeatmapQuestion): { readonly from: Date; readonly to: Date; readonly bucketMs: number; readonly columns: readonly Date[] } {
    const bucketMs = bucketMinutes * 60_000;
    const stepMs = isOfLedger(measure) ? hourMs : bucketMs < hourMs ? this.fineMs : hourMs;
    if (bucketMs < stepMs || bucketMs % stepMs !== 0) throw badUserInput("bucketMinutes", String(bucketMinutes), `a multiple of ${stepMs / 60_000}${stepMs < hourMs ? " or of 60" : ""}`);
    if (first < 1 || first > pageSizeMax) throw badUserInput("first", String(first), `a whole number from 1 to ${pageSizeMax}`);
    const end = to ?? new Date(this.clock.now());
    const asked = from ?? new Date(end.getTime() - dayMs);
    if (asked >= end || end.getTime() - asked.getTime() > hoursKeptMs) throw badUserInput("from", `${asked.toISOString()} to ${end.toISOString()}`, "a range of more than nothing and at most 35 days");
    // Columns begin where periods do: a part of a period is not known apart.
    const begin = Math.floor(asked.getTime() / bucketMs) * bucketMs;
    const count = Math.ceil((end.getTime() - begin) / bucketMs);
    if (count > columnsMax) throw badUserInput("bucketMinutes", `${bucketMinutes}, which makes ${count} columns`, `at most ${columnsMax} columns`);
    return { from: new Date(begin), to: end, bucketMs, columns: Array.from({ length: count }, (_, at) => new Date(begin + at * bucketMs)) };
  }

  #suggestions(grid: Grid, records: ReadonlyMap<string, TenantRecord>, hours: number): readonly Suggestion[] {
    const shown = [...grid].flatMap(([id, cells]) => {
      const tenant = records.get(id);
      return tenant === undefined ? [] : [{ tenant, cells }];
    });
    const width = Math.max(0, ...shown.map(({ cells }) => cells.length));
    const sums = Array.from({ length: width }, (_, at) => sumOf(shown.map(({ cells }) => cells[at])));
    const tenants = shown.map(({ tenant, cells }): TenantActivity => {
      const { requests, refusals, costMicroUsd, heldMs } = sumOf(cells);
      const leads = (of: "heldMs" | "costMicroUsd"): number => sums.filter((all, at) => all[of] > 0 && (cells[at]?.[of] ?? 0) >= leadingShare * all[of]).length;
      return { tenant, tierPlacement: this.policies[tenant.tier].placement, requests, refusals, costMicroUsd, heldMs, heldLeads: leads("heldMs"), costLeads: leads("costMicroUsd") };
    });
    return suggest({ tenants, activeBuckets: sums.filter(({ costMicroUsd, heldMs }) => costMicroUsd > 0 || heldMs > 0).length, hours });
  }
}

function isOfLedger(measure: HeatmapMeasure): boolean {
  return measure === "COST" || measure === "TOKENS";
}

function addTimings(row: TimingRow, cellOf: (tenant: string, at: Date) => Cell): void {
  const cell = cellOf(row.tenant, row.from);
  cell.requests += row.requests;
  cell.refusals += row.refusals;
  cell.queueWaitMs += row.queueWaitMs;
  cell.total.addPacked(row.total.buckets);
  for (const { stage, tenant, ms } of row.held) if (stage === "queue_wait" && tenant !== undefined && tenant !== row.tenant) cellOf(tenant, row.from).heldMs += ms;
}

function cellAt(grid: Grid, tenant: string, column: number, columns: number): Cell {
  let cells = grid.get(tenant);
  if (cells === undefined) grid.set(tenant, (cells = Array.from({ length: columns }, () => undefined)));
  return (cells[Math.min(column, columns - 1)] ??= { requests: 0, refusals: 0, queueWaitMs: 0, total: new LogHistogram(), tokens: 0, costMicroUsd: 0, heldMs: 0 });
}

function rowOf(measure: HeatmapMeasure, tenant: TenantRecord, cells: readonly (Cell | undefined)[]): HeatmapRow {
  const all = sumOf(cells);
  return { tenant, total: valueOf(measure, all) ?? 0, cells: cells.map((cell) => (cell === undefined ? null : valueOf(measure, cell))), refusals: all.refusals };
}

/** Null where there was nothing to measure. */
function valueOf(measure: HeatmapMeasure, { requests, refusals, queueWaitMs, total, tokens, costMicroUsd }: Pick<Cell, "requests" | "refusals" | "queueWaitMs" | "total" | "tokens" | "costMicroUsd">): number | null {
  switch (measure) {
    case "COST": return tokens === 0 && costMicroUsd === 0 ? null : costMicroUsd;
    case "TOKENS": return tokens === 0 ? null : tokens;
    case "REQUESTS": return requests === 0 ? null : requests;
    case "REFUSALS": return requests === 0 && refusals === 0 ? null : refusals;
    case "LATENCY_P95": return total.count === 0 ? null : total.quantile(0.95);
    case "QUEUE_WAIT": return requests === 0 ? null : queueWaitMs / requests;
  }
}

function sumOf(cells: readonly (Cell | undefined)[]): Cell {
  const sum: Cell = { requests: 0, refusals: 0, queueWaitMs: 0, total: new LogHistogram(), tokens: 0, costMicroUsd: 0, heldMs: 0 };
  for (const cell of cells) {
    if (cell === undefined) continue;
    for (const name of ["requests", "refusals", "queueWaitMs", "tokens", "costMicroUsd", "heldMs"] as const) sum[name] += cell[name];
    sum.total.merge(cell.total);
  }
  return sum;
}
