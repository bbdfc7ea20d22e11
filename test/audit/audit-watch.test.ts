/** When audits run by themselves, and what their outcome does to a server. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { AuditWatch, type WatchPolicy } from "../../src/audit/audit-watch.js";
import { serviceUnavailable } from "../../src/kernel/errors.js";
import { newId } from "../../src/kernel/ids.js";
import type { AuditState, AuditTrigger, IsolationReportRow, IsolationReportStore } from "../../src/storage/control/isolation-report-rows.js";
import { recordingTelemetry } from "../support/tenants.js";

const minute = 60_000;

function reportOf(state: AuditState, trigger: AuditTrigger, at: number): IsolationReportRow {
  return { id: newId("audit"), trigger, state, startedAt: new Date(at), ...(state === "RUNNING" ? {} : { finishedAt: new Date(at) }), probes: 1, leaks: state === "LEAKED" ? 1 : 0, surfaces: [], coverage: { fields: 1, covered: 1, uncovered: [] }, findings: [] };
}

class Reports implements Partial<IsolationReportStore> {
  readonly rows: IsolationReportRow[] = [];
  failAbandoned = (): Promise<number> => Promise.resolve(0);
  running = (): Promise<IsolationReportRow | undefined> => Promise.resolve(this.rows.find(({ state }) => state === "RUNNING"));
  latest = (states: readonly AuditState[], trigger?: AuditTrigger): Promise<IsolationReportRow | undefined> => Promise.resolve(this.rows.findLast((row) => states.includes(row.state) && (trigger === undefined || row.trigger === trigger)));
}

function watchOf(policy: Partial<WatchPolicy> = {}, outcome: AuditState = "PASSED") {
  const reports = new Reports();
  const telemetry = recordingTelemetry();
  const begun: AuditTrigger[] = [];
  const begin = (trigger: AuditTrigger): Promise<IsolationReportRow> => {
    begun.push(trigger);
    const row = reportOf(outcome, trigger, Date.now());
    reports.rows.push(row);
    return Promise.resolve(row);
  };
  return { reports, telemetry, begun, watch: new AuditWatch({ reports: reports as unknown as IsolationReportStore, begin, telemetry }, { intervalMs: 60 * minute, onLeak: "fail", ...policy }) };
}

describe("audits by themselves", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test("come first some minutes after a start, then once a period", async () => {
    const { watch, begun } = watchOf();
    await watch.start();
    await vi.advanceTimersByTimeAsync(4 * minute);
    expect(begun).toEqual([]);
    await vi.advanceTimersByTimeAsync(2 * minute);
    expect(begun).toEqual(["SCHEDULE"]);
    await vi.advanceTimersByTimeAsync(120 * minute);
    expect(begun).toHaveLength(3);
    await watch.close();
  });

  test("are not doubled by a second server, nor by one that runs", async () => {
    const { watch, reports, begun } = watchOf();
    reports.rows.push(reportOf("PASSED", "SCHEDULE", Date.now()));
    await watch.start();
    await vi.advanceTimersByTimeAsync(50 * minute);
    expect(begun).toEqual([]);
    reports.rows.push(reportOf("RUNNING", "MANUAL", Date.now() - 120 * minute));
    await vi.advanceTimersByTimeAsync(20 * minute);
    expect(begun).toEqual([]);
    await watch.close();
  });

  test("follow a move, one audit for all moves that end together", async () => {
    const { watch, begun } = watchOf();
    watch.afterMove();
    watch.afterMove();
    await vi.advanceTimersByTimeAsync(3_000);
    expect(begun).toEqual(["AFTER_MOVE"]);
    watch.afterMove();
    await vi.advanceTimersByTimeAsync(3_000);
    expect(begun).toEqual(["AFTER_MOVE", "AFTER_MOVE"]);
    await watch.close();
  });

  test("do not come at all with an interval of 0", async () => {
    const { watch, begun, telemetry } = watchOf({ intervalMs: 0 });
    await watch.start();
    watch.afterMove();
    await vi.advanceTimersByTimeAsync(600 * minute);
    expect(begun).toEqual([]);
    expect(telemetry.alarms).toEqual([]);
    await watch.close();
  });

  test.each(["FAILED", "RUNNING"] as const)("that only ever end %s are no result: after two periods it is an alarm", async (outcome) => {
    const { watch, telemetry } = watchOf({}, outcome);
    await watch.start();
    await vi.advanceTimersByTimeAsync(119 * minute);
    expect(telemetry.alarms).toEqual([]);
    await vi.advanceTimersByTimeAsync(2 * minute);
    expect(telemetry.alarms.map(({ name }) => name)).toEqual(["isolation_audit_overdue"]);
    // And again each period, for as long as it lasts.
    await vi.advanceTimersByTimeAsync(60 * minute);
    expect(telemetry.alarms).toHaveLength(2);
    await watch.close();
  });
});

describe("a leak", () => {
  test("keeps a server from being ready, whichever server found it, until an operator's own audit passes", async () => {
    const { watch, reports } = watchOf({ intervalMs: 0 });
    await watch.look();
    expect(() => watch.assertClean()).not.toThrow();
    reports.rows.push(reportOf("LEAKED", "SCHEDULE", 1_000));
    await watch.look();
    expect(() => watch.assertClean()).toThrow(serviceUnavailable("An isolation audit has found a leak"));
    reports.rows.push(reportOf("PASSED", "SCHEDULE", 2_000));
    await watch.look();
    expect(() => watch.assertClean()).toThrow();
    reports.rows.push(reportOf("FAILED", "MANUAL", 3_000));
    await watch.look();
    expect(() => watch.assertClean()).toThrow();
    reports.rows.push(reportOf("PASSED", "MANUAL", 4_000));
    await watch.look();
    expect(() => watch.assertClean()).not.toThrow();
  });

  test("that a run has seen counts before the run has ended", async () => {
    const { watch, reports } = watchOf({ intervalMs: 0 });
    reports.rows.push(reportOf("PASSED", "MANUAL", 1_000), { ...reportOf("RUNNING", "SCHEDULE", 2_000), leaks: 1 });
    await watch.look();
    expect(() => watch.assertClean()).toThrow(serviceUnavailable("An isolation audit has found a leak"));
  });

  test("is an alarm alone where the policy says so", async () => {
    const { watch, reports } = watchOf({ intervalMs: 0, onLeak: "alarm" });
    reports.rows.push(reportOf("LEAKED", "SCHEDULE", 1_000));
    await watch.look();
    expect(() => watch.assertClean()).not.toThrow();
  });

  test("that was known stays known while the reports cannot be read", async () => {
    const { watch, reports } = watchOf({ intervalMs: 0 });
    reports.rows.push(reportOf("LEAKED", "MANUAL", 1_000));
    await watch.look();
    reports.latest = () => Promise.reject(serviceUnavailable("gone"));
    await watch.look();
    expect(() => watch.assertClean()).toThrow();
  });
});
