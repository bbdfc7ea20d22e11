import { describe, expect, it } from "vitest";
import { AttributeLatency } from "../../src/insights/attribute-latency.js";
import { TenantFigures } from "../../src/insights/tenant-figures.js";
import { TenantHeatmap, type HeatmapMeasure } from "../../src/insights/tenant-heatmap.js";
import type { TenantId } from "../../src/kernel/ids.js";
import type { HeldTime, TimingRow, TimingStore, TimingWidth } from "../../src/storage/control/timing-rows.js";
import { policies, recordOf } from "../support/tenants.js";

const hourMs = 3_600_000;
const fineMs = 300_000;
const now = Date.parse("2026-06-14T12:00:00Z");
const clock = { now: () => now };
const tenants = { find: (id: TenantId) => Promise.resolve(recordOf(id)) };

/** What one tenant's requests took in one period. */
function rowOf(tenant: string, width: TimingWidth, from: number, { requests = 1, ms = 10, held = [] as readonly HeldTime[] } = {}): TimingRow {
  const figures = new TenantFigures();
  for (let at = 0; at < requests; at += 1) figures.request({ totalMs: ms, stages: [{ name: "queue_wait", ms: ms / 2 }, { name: "search", ms: ms / 2 }] });
  return { tenant, server: "s1", width, from: new Date(from), ...figures.pack(), held, expiresAt: new Date(now + 100 * hourMs) };
}

/** Gives rows as the database does: of the span, the latest first, no more than asked for. */
function storeOf(rows: readonly TimingRow[]): Pick<TimingStore, "read" | "readTotals"> {
  const read: TimingStore["read"] = ({ width, from, to, tenant }, max) =>
    Promise.resolve(rows.filter((row) => row.width === width && row.from >= from && row.from < to && (tenant ?? row.tenant) === row.tenant).toSorted((a, b) => b.from.getTime() - a.from.getTime()).slice(0, max));
  return { read, readTotals: read };
}

const names = ["acme", "globex", "initech"];

describe("an attribution of more rows than may be read", () => {
  const rows = Array.from({ length: 12 }, (_, period) => names.map((tenant) => rowOf(tenant, "FINE", now - (period + 1) * fineMs))).flat();
  const run = (rowsMax: number, all = rows) => new AttributeLatency(storeOf(all), tenants, clock, fineMs, rowsMax).run({ from: new Date(now - hourMs) });

  it("begins with the first period that was read whole, and says that it is cut", async () => {
    const { truncated, from, requests, tenants: told } = await run(10);
    expect({ truncated, from, requests }).toEqual({ truncated: true, from: new Date(now - 3 * fineMs), requests: 9 });
    expect(told.map((tenant) => tenant.requests)).toEqual([3, 3, 3]);
  });

  it("is whole, and says so, when there are just as many as may be read", async () => {
    expect(await run(36)).toMatchObject({ truncated: false, from: new Date(now - hourMs), requests: 36 });
  });

  it("that lie in a single period is cut within it, and says so", async () => {
    expect(await run(2)).toMatchObject({ truncated: true, from: new Date(now - fineMs), requests: 2 });
  });

  it("says so too when only what is usual is of less than a day", async () => {
    const day = Array.from({ length: 24 }, (_, hour) => rowOf("acme", "HOUR", now - (hour + 2) * hourMs));
    expect(await run(20, [rowOf("acme", "FINE", now - fineMs), ...day])).toMatchObject({ truncated: true, from: new Date(now - hourMs), requests: 1 });
  });
});

describe("the audit's own tenants", () => {
  const held = [{ stage: "queue_wait", tenant: "audit-probe-a", work: "AUDIT", ms: 900 }];
  const rows = [rowOf("acme", "FINE", now - fineMs, { requests: 30, ms: 1_000, held }), rowOf("audit-probe-a", "FINE", now - fineMs, { requests: 40, ms: 5_000 })];
  const attribution = new AttributeLatency(storeOf(rows), tenants, clock);

  it("are no part of an attribution or its verdict, but are named as who held others up", async () => {
    const { requests, verdict, tenants: told } = await attribution.run({});
    expect(requests).toBe(30);
    expect(told.map(({ tenant }) => tenant.id)).toEqual(["acme"]);
    expect(verdict.slowTenants.map(({ id }) => id)).toEqual(["acme"]);
    expect(verdict.because.map(({ tenant, work }) => [tenant?.id, work])).toEqual([["audit-probe-a", "AUDIT"]]);
    expect(told[0]?.queueHeldBy[0]).toMatchObject({ tenant: { id: "audit-probe-a" }, work: "AUDIT" });
  });

  it("are told of when one is asked for by name", async () => {
    expect((await attribution.run({ tenantId: "audit-probe-a" })).tenants.map(({ tenant }) => tenant.id)).toEqual(["audit-probe-a"]);
  });
});

describe("a heatmap of more rows than may be read", () => {
  const hours = Array.from({ length: 24 }, (_, hour) => now - (hour + 1) * hourMs);
  const rows = hours.flatMap((from) => names.map((tenant) => rowOf(tenant, "HOUR", from)));
  const usage = { read: () => Promise.resolve(hours.map((hour) => ({ tenant: "acme", hour: new Date(hour), tokens: 5, costMicroUsd: 7 }))) };
  const run = (measure: HeatmapMeasure, rowsMax: number, bucketMinutes = 60) => new TenantHeatmap(storeOf(rows), usage, tenants, policies, clock, fineMs, rowsMax).run({ measure, bucketMinutes });

  it("begins with the first column that was read whole, and says that it is cut", async () => {
    const { truncated, from, columns, rows: shown } = await run("REQUESTS", 10);
    expect({ truncated, from, columns: columns.length }).toEqual({ truncated: true, from: new Date(now - 3 * hourMs), columns: 3 });
    expect(shown.map(({ total, cells }) => [total, cells])).toEqual(names.map(() => [3, [1, 1, 1]]));
  });

  it("leaves out a column of which an hour is missing", async () => {
    const { from, columns, rows: shown } = await run("REQUESTS", 10, 120);
    expect([from, columns.length]).toEqual([new Date(now - 2 * hourMs), 1]);
    expect(shown.map(({ cells }) => cells)).toEqual(names.map(() => [2]));
  });

  it("has all of what the ledger knows, and says that the rest is cut", async () => {
    const { truncated, from, rows: shown } = await run("COST", 10);
    expect({ truncated, from }).toEqual({ truncated: true, from: new Date(now - 24 * hourMs) });
    expect(shown.map(({ total, cells }) => [total, cells.length])).toEqual([[24 * 7, 24]]);
  });

  it("is whole, and says so, when there are just as many as may be read", async () => {
    const { truncated, columns, rows: shown } = await run("REQUESTS", 72);
    expect([truncated, columns.length, ...shown.map(({ total }) => total)]).toEqual([false, 24, 24, 24, 24]);
  });
});
