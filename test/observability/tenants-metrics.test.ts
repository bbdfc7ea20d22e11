import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BoundedNames, others } from "../../src/observability/bounded-names.js";
import { ProcessTelemetry } from "../../src/observability/telemetry.js";

async function seriesOf(telemetry: ProcessTelemetry, metric: string): Promise<Map<string, number>> {
  const { text } = await telemetry.metrics();
  const lines = text.split("\n").filter((line) => line.startsWith(`${metric}{`));
  return new Map(lines.map((line) => [/tenant="([^"]*)"/.exec(line)?.[1] ?? "", Number(line.slice(line.lastIndexOf(" ") + 1))]));
}

const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0);

describe("metrics by tenant", () => {
  it("of 10,000 tenants are a bounded number of series, and their sum is what was counted", async () => {
    const telemetry = new ProcessTelemetry("error", { write() {} });
    let counted = 0;
    for (let round = 0; round < 3; round += 1) {
      for (let i = 0; i < 10_000; i += 1) {
        telemetry.count("tenant_tokens_total", { tenant: `tenant-${i}`, tier: "FREE" }, 1 + (i % 7));
        counted += 1 + (i % 7);
      }
    }
    const series = await seriesOf(telemetry, "bulkhead_tenant_tokens_total");
    expect(series.size).toBeLessThanOrEqual(101);
    expect(sum(series.values())).toBe(counted);
    expect(series.get("tenant-0")).toBe(3);
  });

  it("name a busy tenant that comes after a flood of small ones", async () => {
    const telemetry = new ProcessTelemetry("error", { write() {} });
    for (let i = 0; i < 10_000; i += 1) telemetry.count("tenant_requests_total", { tenant: `small-${i}` });
    for (let i = 0; i < 1_000; i += 1) telemetry.count("tenant_requests_total", { tenant: "busy" });
    const series = await seriesOf(telemetry, "bulkhead_tenant_requests_total");
    expect(series.get("busy")).toBeGreaterThan(500);
    expect(sum(series.values())).toBe(11_000);
  });

  it("call a tenant the same in every metric", async () => {
    const telemetry = new ProcessTelemetry("error", { write() {} });
    for (let i = 0; i < 300; i += 1) {
      telemetry.count("tenant_requests_total", { tenant: `t-${i}` });
      telemetry.observe("tenant_wait_ms", 1, { tenant: `t-${i}` });
    }
    const [requests, waits] = [await seriesOf(telemetry, "bulkhead_tenant_requests_total"), await seriesOf(telemetry, "bulkhead_tenant_wait_ms_count")];
    expect([...requests.keys()]).toEqual([...waits.keys()]);
  });
});

describe("bounded names", () => {
  it("never exceed their number, never take a name back, and give every event to one name", async () => {
    fc.assert(
      fc.property(fc.array(fc.nat(30), { maxLength: 400 }), fc.integer({ min: 2, max: 10 }), fc.integer({ min: 1, max: 20 }), (events, namesMax, eventsMin) => {
        const names = new BoundedNames(namesMax, eventsMin);
        const named = new Set<string>();
        for (const event of events) {
          const name = names.nameOf(`t${event}`);
          expect([`t${event}`, others]).toContain(name);
          if (named.has(`t${event}`)) expect(name).toBe(`t${event}`);
          if (name !== others) named.add(name);
        }
        expect(named.size).toBeLessThanOrEqual(namesMax);
      }),
    );
  });
});
