/** When audits are due, and what an outcome means for this server. */
import type { Telemetry } from "../kernel/telemetry.js";
import { serviceUnavailable } from "../kernel/errors.js";
import type { AuditTrigger, IsolationReportRow, IsolationReportStore } from "../storage/control/isolation-report-rows.js";

export interface WatchTools {
  readonly reports: IsolationReportStore;
  readonly begin: (trigger: AuditTrigger) => Promise<IsolationReportRow>;
  readonly telemetry: Telemetry;
}

export interface WatchPolicy {
  /** Time from one audit to the next, in ms. 0: none begins by itself, neither in time nor after a move. */
  readonly intervalMs: number;
  /** What a leak does to `/health/ready`. */
  readonly onLeak: "fail" | "alarm";
  /** How often the reports are looked at, in ms: every server learns of another's leak within it. */
  readonly pollMs?: number;
  /** After a start, before the first audit that nobody asked for, in ms. */
  readonly settleMs?: number;
  /** After a move, for others that end at the same time, in ms. */
  readonly afterMoveMs?: number;
}

const pollMsDefault = 5_000;
/** A server that has just started has documents to read and caches to warm. */
const settleMsDefault = 5 * 60_000;
const afterMoveMsDefault = 2_000;
/** Without a result for so many periods nobody can say that tenants are apart. */
const overduePeriods = 2;

export class AuditWatch {
  readonly #startedAt = Date.now();
  #timer: NodeJS.Timeout | undefined;
  #afterMove: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #leakedAt: Date | undefined;
  #overdueSaidAt = 0;

  constructor(private readonly tools: WatchTools, private readonly policy: WatchPolicy) {}

  /** Looks once before it returns: a leak that was found before a restart is known from the first probe of `/health/ready`. */
  async start(): Promise<void> {
    await this.look();
    this.#timer = setInterval(() => void this.look(), this.policy.pollMs ?? pollMsDefault).unref();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    clearTimeout(this.#afterMove);
    await this.#looking;
  }

  /** A tenant has another home now. One audit serves all moves that end together. */
  afterMove(): void {
    if (this.policy.intervalMs === 0) return;
    this.#afterMove ??= setTimeout(() => {
      this.#afterMove = undefined;
      void this.#begin("AFTER_MOVE");
    }, this.policy.afterMoveMs ?? afterMoveMsDefault).unref();
  }

  /** Throws `SERVICE_UNAVAILABLE` while a leak is open and the policy says so. */
  assertClean(): void {
    if (this.policy.onLeak === "fail" && this.#leakedAt !== undefined) throw serviceUnavailable("An isolation audit has found a leak");
  }

  /** Never rejects. */
  look(): Promise<void> {
    this.#looking = this.#looking.then(() => this.#look()).catch((error: unknown) => this.tools.telemetry.log("warn", "Reports of isolation audits could not be looked at", { error: String(error) }));
    return this.#looking;
  }

  async #look(): Promise<void> {
    const { reports } = this.tools;
    await reports.failAbandoned();
    // A leak is open from the moment it is seen: the rest of its run may take minutes, or never end.
    const running = await reports.running();
    const leaked = running !== undefined && running.leaks > 0 ? running : await reports.latest(["LEAKED"]);
    // Only an operator's own audit closes a leak: one that comes and goes must be looked at by a person.
    const cleared = await reports.latest(["PASSED"], "MANUAL");
    this.#leakedAt = leaked !== undefined && (cleared === undefined || cleared.startedAt <= leaked.startedAt) ? leaked.startedAt : undefined;
    if (this.policy.intervalMs > 0) await this.#keepTime();
  }

  async #keepTime(): Promise<void> {
    const { intervalMs, settleMs = settleMsDefault } = this.policy;
    const { reports, telemetry } = this.tools;
    const now = Date.now();
    const last = await reports.latest(["PASSED", "LEAKED", "FAILED"]);
    const result = await reports.latest(["PASSED", "LEAKED"]);
    if (now - this.#startedAt >= Math.min(settleMs, intervalMs) && now - (last?.startedAt.getTime() ?? 0) >= intervalMs && (await reports.running()) === undefined) await this.#begin("SCHEDULE");
    // An audit that fails each time gives no result either.
    const since = Math.max(result?.finishedAt?.getTime() ?? 0, this.#startedAt);
    if (now - since < overduePeriods * intervalMs || now - this.#overdueSaidAt < intervalMs) return;
    this.#overdueSaidAt = now;
    telemetry.alarm("isolation_audit_overdue", { lastResult: result?.finishedAt?.toISOString() ?? "none", lastFailure: last?.failure ?? "none", intervalMinutes: intervalMs / 60_000 });
  }

  async #begin(trigger: AuditTrigger): Promise<void> {
    try {
      await this.tools.begin(trigger);
    } catch (error) {
      this.tools.telemetry.log("warn", "An isolation audit could not begin", { trigger, error: String(error) });
    }
  }
}
