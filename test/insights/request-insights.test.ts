import { describe, expect, it } from "vitest";
import { RequestInsights } from "../../src/insights/request-insights.js";
import type { TimedRequest } from "../../src/insights/timed-request.js";
import { serviceUnavailable } from "../../src/kernel/errors.js";
import type { TenantId } from "../../src/kernel/ids.js";
import type { TimingRow } from "../../src/storage/control/timing-rows.js";
import { recordingTelemetry } from "../support/tenants.js";

const fineMs = 300_000;
const begin = Date.parse("2026-06-14T10:00:00Z");

/** Keeps rows as the database does: the last of a key stands. */
class Store {
  readonly rows = new Map<string, TimingRow>();
  readonly sizes: number[] = [];
  erased: readonly string[] = [];
  isDown = false;

  save(rows: readonly TimingRow[]): Promise<readonly string[]> {
    this.sizes.push(rows.length);
    if (this.isDown) return Promise.reject(serviceUnavailable("The database does not answer"));
    for (const row of rows) if (!this.erased.includes(row.tenant)) this.rows.set(`${row.tenant} ${row.width} ${row.from.getTime()} ${row.server}`, row);
    return Promise.resolve(this.erased);
  }

  of(tenant: string, width: TimingRow["width"] = "FINE"): readonly TimingRow[] {
    return [...this.rows.values()].filter((row) => row.tenant === tenant && row.width === width).toSorted((a, b) => a.from.getTime() - b.from.getTime());
  }
}

function world() {
  const store = new Store();
  const clock = { at: begin, now: (): number => clock.at };
  const telemetry = recordingTelemetry();
  return { store, clock, telemetry, insights: new RequestInsights(store, telemetry, {}, clock) };
}

function requestOf(tenant: string, ms = 20): TimedRequest {
  return { served: { kind: "TENANT", tenantId: tenant as TenantId, tier: "PRO" }, times: { totalMs: ms, stages: [{ name: "auth", ms: 1 }, { name: "search", ms: ms - 1 }] }, wallMs: ms };
}

const acme = "acme" as TenantId;

describe("where requests spend their time, kept by a server", () => {
  it("is written by tenant and period, short ones and hours, and again only when something came", async () => {
    const { store, clock, insights } = world();
    insights.ended(requestOf("acme"));
    insights.refused(acme);
    insights.heldUp(acme, "queue_wait", [{ tenantId: "globex" as TenantId, work: "INGEST", ms: 5 }]);
    await insights.flush();
    expect(store.of("acme")[0]).toMatchObject({ requests: 1, refusals: 1, from: new Date(begin), total: { ms: 20 }, held: [{ stage: "queue_wait", tenant: "globex", work: "INGEST", ms: 5 }] });
    expect(store.of("acme", "HOUR")[0]).toMatchObject({ requests: 1 });
    await insights.flush();
    expect(store.sizes).toEqual([2]);
    clock.at += fineMs;
    insights.ended(requestOf("acme"));
    await insights.flush();
    expect(store.of("acme").map(({ requests }) => requests)).toEqual([1, 1]);
    expect(store.of("acme", "HOUR").map(({ requests }) => requests)).toEqual([2]);
  });

  it("counts nothing twice and loses nothing when the store was down, and says so once", async () => {
    const { store, telemetry, insights } = world();
    store.isDown = true;
    for (let at = 0; at < 3; at += 1) {
      insights.ended(requestOf("acme"));
      await insights.flush();
    }
    expect(telemetry.logs.filter(({ level }) => level === "warn").length).toBe(1);
    store.isDown = false;
    await insights.flush();
    await insights.flush();
    expect(store.of("acme")[0]?.requests).toBe(3);
  });

  it("keeps what came while it was being written", async () => {
    const { store, insights } = world();
    insights.ended(requestOf("acme"));
    const flushing = insights.flush();
    insights.ended(requestOf("acme"));
    await flushing;
    await insights.flush();
    expect(store.of("acme")[0]?.requests).toBe(2);
  });

  it("is bounded: tenants past a thousand are added up as one, and one write holds a few hundred rows", async () => {
    const { store, insights } = world();
    for (let at = 0; at < 1_100; at += 1) insights.ended(requestOf(`tenant-${at}`));
    await insights.flush();
    expect(store.of("_other")[0]?.requests).toBe(100);
    expect([...store.rows.values()].filter(({ width }) => width === "FINE").reduce((sum, { requests }) => sum + requests, 0)).toBe(1_100);
    expect(Math.max(...store.sizes)).toBeLessThanOrEqual(200);
  });

  it("gives up the oldest periods when a store stays down, and says how many", async () => {
    const { store, clock, telemetry, insights } = world();
    store.isDown = true;
    for (let period = 0; period < 8; period += 1) {
      for (let at = 0; at < 1_000; at += 1) insights.ended(requestOf(`tenant-${at}`));
      await insights.flush();
      clock.at += fineMs;
    }
    await insights.flush();
    expect(telemetry.logs.some(({ level, message }) => level === "error" && message.includes("given up"))).toBe(true);
    store.isDown = false;
    await insights.flush();
    expect(store.of("tenant-1").length).toBe(4);
    expect(store.of("tenant-1").at(-1)?.from).toEqual(new Date(begin + 7 * fineMs));
    expect(store.of("tenant-1", "HOUR")[0]?.requests).toBe(8);
  });

  it("forgets a tenant that the store says is erased, also as the one who held up another", async () => {
    const { store, insights } = world();
    insights.ended(requestOf("globex"));
    insights.ended(requestOf("acme"));
    insights.heldUp(acme, "queue_wait", [{ tenantId: "globex" as TenantId, work: "INTERACTIVE", ms: 5 }]);
    store.erased = ["globex"];
    await insights.flush();
    insights.ended(requestOf("acme"));
    await insights.flush();
    expect(store.of("globex")).toEqual([]);
    expect(store.of("acme")[0]).toMatchObject({ requests: 2, held: [{ stage: "queue_wait", work: "OTHERS", ms: 5 }] });
  });

  it("bounds the holders of a row", async () => {
    const { store, insights } = world();
    for (let at = 0; at < 300; at += 1) insights.heldUp(acme, "queue_wait", [{ tenantId: `t${at}` as TenantId, work: "INTERACTIVE", ms: 1 }]);
    await insights.flush();
    const held = store.of("acme")[0]?.held ?? [];
    expect(held.length).toBeLessThanOrEqual(66);
    expect(held.reduce((sum, { ms }) => sum + ms, 0)).toBe(300);
  });

  it("says in the log when the stages of a request do not add up, and takes half a millisecond for nothing", () => {
    const { telemetry, insights } = world();
    insights.ended({ ...requestOf("acme"), wallMs: 20.4 });
    expect(telemetry.logs).toEqual([]);
    insights.ended({ ...requestOf("acme"), wallMs: 25 });
    expect(telemetry.logs[0]).toMatchObject({ level: "error", message: expect.stringContaining("do not add up") });
  });

  it("is written when the server closes", async () => {
    const { store, insights } = world();
    insights.start();
    insights.ended(requestOf("acme"));
    await insights.close();
    expect(store.of("acme")[0]?.requests).toBe(1);
  });

  it("keeps nothing of operators and of callers who were not let in", async () => {
    const { store, insights } = world();
    insights.ended({ ...requestOf("acme"), served: { kind: "OPERATOR" } });
    const { served: _served, ...unknown } = requestOf("acme");
    insights.ended(unknown);
    await insights.flush();
    expect(store.rows.size).toBe(0);
  });
});
