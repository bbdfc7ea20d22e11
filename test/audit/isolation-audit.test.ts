/** A run's record while it lasts, and its end when the server goes. */
import { buildSchema } from "graphql";
import { describe, expect, test } from "vitest";
import { IsolationAudit } from "../../src/audit/isolation-audit.js";
import type { ProbeAnswer, ProbeExecutor } from "../../src/audit/probe-executor.js";
import { newId } from "../../src/kernel/ids.js";
import { probeTenants } from "../../src/tenancy/probe-tenant.js";
import type { IsolationReportRow, IsolationReportStore, ReportChange } from "../../src/storage/control/isolation-report-rows.js";
import { recordingTelemetry, recordOf } from "../support/tenants.js";

const schema = buildSchema("type Query { viewer: String }");
const nothing = (): void => undefined;

/** An audit whose probes are answered by `run`, and what it has written into its report. */
function auditOf(run: ProbeExecutor["run"]) {
  const changes: ReportChange[] = [];
  let row: IsolationReportRow = { id: newId("audit"), trigger: "MANUAL", state: "RUNNING", startedAt: new Date(), probes: 0, leaks: 0, surfaces: [], coverage: { fields: 0, covered: 0, uncovered: [] }, findings: [] };
  const reports: Partial<IsolationReportStore> = {
    failAbandoned: () => Promise.resolve(0),
    begin: () => Promise.resolve(row),
    record: (_id, _owner, change) => {
      changes.push(change);
      row = { ...row, ...change };
      return Promise.resolve(row);
    },
  };
  const homes = new Map<string, "POOL" | "SILO">(probeTenants.map(({ id, placement }) => [id, placement]));
  const audit = new IsolationAudit({
    reports: reports as IsolationReportStore,
    directory: {
      find: (id) => Promise.resolve(recordOf(id, { home: homes.get(id) === "SILO" ? { kind: "SILO", database: "silo" } : { kind: "POOL" } })),
      create: (tenant) => Promise.resolve(recordOf(tenant.id)),
      sendHome: () => Promise.resolve(),
      latestMove: () => Promise.resolve(undefined),
    },
    taps: { logs: () => nothing, models: () => nothing, metrics: () => Promise.resolve({ text: "" }) },
    owner: "one",
    inTurn: (_tenantId, _signal, work) => work(),
    onFinished: nothing,
    telemetry: recordingTelemetry(),
    closeMsMax: 50,
  });
  audit.start({ schema, run } as unknown as ProbeExecutor);
  return { audit, changes };
}

function untilAborted(signal: AbortSignal): Promise<ProbeAnswer> {
  return new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
}

async function probing(begun: readonly unknown[]): Promise<void> {
  while (begun.length === 0) await new Promise((resolve) => setImmediate(resolve));
}

describe("closing the server during an audit", () => {
  test("ends the probe in flight, and the report says why", async () => {
    const begun: string[] = [];
    const { audit, changes } = auditOf(({ tenantId }, _document, _variables, signal) => (begun.push(tenantId), untilAborted(signal)));
    await audit.begin("MANUAL");
    await probing(begun);
    await audit.close();
    expect(changes.at(-1)).toMatchObject({ state: "FAILED", failure: "The server was stopped" });
  });

  test("does not wait for a probe that hears of nothing", async () => {
    const begun: string[] = [];
    const { audit, changes } = auditOf(({ tenantId }) => (begun.push(tenantId), new Promise(nothing)));
    await audit.begin("MANUAL");
    await probing(begun);
    await audit.close();
    expect(changes.filter(({ state }) => state !== undefined)).toEqual([]);
  });
});

test("a leak is in the report a moment after it is seen, long before the run ends", async () => {
  const begun: string[] = [];
  const leaked = `zq${"a".repeat(24)}`;
  const { audit, changes } = auditOf(({ tenantId }, _document, _variables, signal) => {
    begun.push(tenantId);
    // The first list has a word of somebody's; the second never comes.
    return begun.length === 1 ? Promise.resolve({ data: { documents: { nodes: [] } }, errors: [], text: JSON.stringify({ title: leaked }) }) : untilAborted(signal);
  });
  await audit.begin("MANUAL");
  while (!changes.some(({ leaks }) => leaks === 1)) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(changes.find(({ leaks }) => leaks === 1)).toMatchObject({ findings: [{ surface: "own data" }] });
  await audit.close();
  expect(changes.at(-1)).toMatchObject({ state: "LEAKED" });
});
