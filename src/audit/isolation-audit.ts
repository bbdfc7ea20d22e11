/**
 * The audit's face: begins runs, keeps their evidence, one at a time on all servers. Before it come an
 * operator, the schedule and the mover; behind it lies the gateway's `ProbeExecutor`, the only way that
 * probes take.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { BulkheadError, serviceUnavailable } from "../kernel/errors.js";
import { newId, type TenantId } from "../kernel/ids.js";
import type { Page, PageRequest } from "../kernel/page.js";
import type { Telemetry } from "../kernel/telemetry.js";
import type { AuditState, AuditTrigger, IsolationReportRow, IsolationReportStore, ReportChange } from "../storage/control/isolation-report-rows.js";
import { Canaries } from "./canaries.js";
import { Evidence } from "./evidence.js";
import { AuditHindered } from "./plant.js";
import { Probe } from "./probe.js";
import type { ProbeExecutor } from "./probe-executor.js";
import { readyProbeTenants, type ProbeDirectory } from "./probe-directory.js";
import { runAudit } from "./run-audit.js";
import { Listening, type AuditTaps } from "./taps.js";

export interface AuditTools {
  readonly reports: IsolationReportStore;
  readonly directory: ProbeDirectory;
  readonly taps: AuditTaps;
  /** Names this server's process. */
  readonly owner: string;
  /** Runs a batch of probes in its turn, behind customers. */
  readonly inTurn: <T>(tenantId: TenantId, signal: AbortSignal, work: () => Promise<T>) => Promise<T>;
  /** Told when a report is complete: what it means for this server must not wait for the next look. */
  readonly onFinished: () => void;
  readonly telemetry: Telemetry;
  /** How long `close` waits for a run, in ms. Tests shorten it. */
  readonly closeMsMax?: number;
}

export const probesDefault = 2_000;
/** A server that says nothing for so long has died, and the next audit need not wait for it. */
const leaseMs = 15_000;
const heartbeatMs = 1_000;
const closeMsMaxDefault = 2_000;

export class IsolationAudit {
  #executor: ProbeExecutor | undefined;
  #run: { readonly done: Promise<void>; readonly stop: AbortController } | undefined;
  #closed = false;

  constructor(private readonly tools: AuditTools) {}

  /** Once the gateway has a schema to probe. */
  start(executor: ProbeExecutor): void {
    this.#executor = executor;
  }

  /** Ends a run under way as `FAILED`. One that does not end in time is left to its lease: customers' requests wait behind this. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#run?.stop.abort(new AuditHindered("The server was stopped"));
    if (this.#run === undefined) return;
    const over = new AbortController();
    await Promise.race([this.#run.done, sleep(this.tools.closeMsMax ?? closeMsMaxDefault, undefined, { signal: over.signal }).catch(() => undefined)]);
    over.abort();
  }

  /** Begins an audit, or gives the one under way on any server. Throws `SERVICE_UNAVAILABLE`. */
  async begin(trigger: AuditTrigger, probes = probesDefault): Promise<IsolationReportRow> {
    const { reports, owner } = this.tools;
    const executor = this.#executor;
    if (executor === undefined || this.#closed) throw serviceUnavailable("The server is not ready for an audit");
    await reports.failAbandoned();
    try {
      const report = await reports.begin({ id: newId("audit"), trigger, owner, leaseMs });
      const stop = new AbortController();
      this.#run = { stop, done: this.#drive(report, executor, probes, stop) };
      return report;
    } catch (error) {
      if (!(error instanceof BulkheadError) || error.code !== "CONFLICT") throw error;
      const running = await reports.running();
      if (running === undefined) throw serviceUnavailable("An isolation audit has just ended");
      return running;
    }
  }

  find(id: string): Promise<IsolationReportRow | undefined> {
    return this.tools.reports.find(id);
  }

  latest(): Promise<IsolationReportRow | undefined> {
    return this.tools.reports.latest(["PASSED", "LEAKED", "FAILED"]);
  }

  page(request: PageRequest): Promise<Page<IsolationReportRow>> {
    return this.tools.reports.page(request);
  }

  /** Never rejects. */
  async #drive({ id }: IsolationReportRow, executor: ProbeExecutor, probes: number, stop: AbortController): Promise<void> {
    const { reports, owner, telemetry } = this.tools;
    const canaries = new Canaries();
    const evidence = new Evidence(telemetry);
    const beat = setInterval(() => {
      // A lease that was lost is another server's: this run's word would not be taken any more.
      reports.record(id, owner, { probes: evidence.probes, leaks: evidence.leaks, findings: evidence.findings }, leaseMs).catch((error: unknown) => stop.abort(error));
    }, heartbeatMs);
    const listening = new Listening(this.tools.taps, canaries, evidence);
    let failure: string | undefined;
    try {
      const probe = new Probe(executor, canaries, evidence, stop.signal, (tenantId, work) => this.tools.inTurn(tenantId, stop.signal, work));
      await runAudit(probe, { id, probes, tenants: await readyProbeTenants(this.tools.directory, stop.signal) });
      await listening.lookAtMetrics();
    } catch (caught) {
      // A wait that was cut short tells of itself; the reason is what cut it.
      const error: unknown = stop.signal.aborted ? stop.signal.reason : caught;
      failure = error instanceof AuditHindered ? error.message : `The audit ended early: ${error instanceof BulkheadError ? `${error.code} ${error.message}` : String(error)}`;
    } finally {
      clearInterval(beat);
      listening.end();
    }
    await this.#finish(id, resultOf(evidence, failure));
  }

  async #finish(id: string, result: ReportChange): Promise<void> {
    const { reports, owner, telemetry } = this.tools;
    try {
      const { state, probes, leaks, recall, failure, startedAt } = await reports.record(id, owner, { ...result, finishedAt: new Date() }, leaseMs);
      telemetry.log(state === "PASSED" ? "info" : "error", `Isolation audit ${state}`, { reportId: id, probes, leaks, recall, failure, ms: Date.now() - startedAt.getTime() });
      telemetry.count("isolation_audits_total", { state });
      this.tools.onFinished();
    } catch (error) {
      // It stays RUNNING and ends as FAILED with the next look: never as passed.
      telemetry.log("error", "The report of an isolation audit could not be written", { reportId: id, error: String(error) });
    }
  }

}

/** A leak outweighs everything; without one, only an audit that reached everything has passed. */
function resultOf(evidence: Evidence, hindered: string | undefined): ReportChange {
  const { probes, leaks, recall, surfaces, coverage, findings, missed } = evidence;
  const lost = missed.length === 0 ? undefined : `Its owners did not find ${missed.length} canaries: ${missed.slice(0, 3).join("; ")}`;
  const open = coverage.uncovered.length === 0 ? undefined : `${coverage.uncovered.length} fields or arguments were not covered`;
  const failure = hindered ?? lost ?? open;
  const state: AuditState = leaks > 0 ? "LEAKED" : failure === undefined ? "PASSED" : "FAILED";
  return { state, probes, leaks, surfaces, coverage, findings, ...(recall === undefined ? {} : { recall }), ...(failure === undefined ? {} : { failure }) };
}
