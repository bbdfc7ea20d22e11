/** Reports of isolation audits: evidence that is kept, and the lease of the run that writes one. */
import type { Page, PageRequest } from "../../kernel/page.js";

export type AuditTrigger = "MANUAL" | "SCHEDULE" | "AFTER_MOVE";
/** `FAILED`: no leak was seen, and the audit proves nothing: it was cut short, did not find its own canaries, or left a field out. */
export type AuditState = "RUNNING" | "PASSED" | "LEAKED" | "FAILED";

export interface AuditedSurface {
  readonly name: string;
  readonly probes: number;
  readonly leaks: number;
  /** The part of the planted canaries that their owners found; undefined where none are planted. */
  readonly recall?: number;
}

export interface LeakFinding {
  readonly surface: string;
  readonly operation: string;
  readonly description: string;
  readonly at: Date;
}

export interface AuditCoverage {
  /** Fields of the schema that a caller can name with a value. */
  readonly fields: number;
  readonly covered: number;
  /** `Type.field(path): why`. */
  readonly uncovered: readonly string[];
}

export interface IsolationReportRow {
  readonly id: string;
  readonly trigger: AuditTrigger;
  readonly state: AuditState;
  readonly startedAt: Date;
  readonly finishedAt?: Date;
  readonly probes: number;
  readonly leaks: number;
  readonly recall?: number;
  readonly surfaces: readonly AuditedSurface[];
  readonly coverage: AuditCoverage;
  readonly findings: readonly LeakFinding[];
  /** Why the state is `FAILED`. */
  readonly failure?: string;
}

export type ReportChange = Partial<Omit<IsolationReportRow, "id" | "trigger" | "startedAt">>;

export interface IsolationReportStore {
  /** Throws `CONFLICT` while another run has its lease: one audit at a time, on all servers (a unique partial index). */
  begin(report: { readonly id: string; readonly trigger: AuditTrigger; readonly owner: string; readonly leaseMs: number }): Promise<IsolationReportRow>;
  /** Extends the lease and records progress; a state other than `RUNNING` ends the run. Throws `CONFLICT` when the lease was lost. */
  record(id: string, owner: string, change: ReportChange, leaseMs: number): Promise<IsolationReportRow>;
  /** Ends runs whose server says nothing any more: as `LEAKED` when a leak was recorded, else as `FAILED`. Gives their number. */
  failAbandoned(): Promise<number>;
  running(): Promise<IsolationReportRow | undefined>;
  find(id: string): Promise<IsolationReportRow | undefined>;
  /** The newest one that has ended so, whatever began it unless `trigger` is given. */
  latest(states: readonly AuditState[], trigger?: AuditTrigger): Promise<IsolationReportRow | undefined>;
  /** Newest first. */
  page(request: PageRequest): Promise<Page<IsolationReportRow>>;
}
