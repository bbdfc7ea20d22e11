import { MongoServerError, type Collection, type Filter } from "mongodb";
import { badUserInput, conflict } from "../../kernel/errors.js";
import type { Page, PageRequest } from "../../kernel/page.js";
import { duplicateKey } from "./duplicate-key.js";
import type { AuditCoverage, AuditedSurface, AuditState, AuditTrigger, IsolationReportRow, IsolationReportStore, LeakFinding, ReportChange } from "./isolation-report-rows.js";

export interface IsolationReportDocument {
  _id: string;
  trigger: AuditTrigger;
  state: AuditState;
  /** True until the run has ended; the unique partial index on it admits one. */
  running: boolean;
  probes: number;
  leaks: number;
  recall?: number;
  surfaces: AuditedSurface[];
  coverage: AuditCoverage;
  findings: LeakFinding[];
  failure?: string;
  started_at: Date;
  finished_at?: Date;
  lease_owner: string;
  lease_until: Date;
}

const majority = { writeConcern: { w: "majority" } } as const;
/** A quarter of evidence; an audit an hour is two thousand rows of some KB. */
const keptMs = 90 * 24 * 60 * 60 * 1_000;

export class MongoIsolationReportStore implements IsolationReportStore {
  constructor(private readonly reports: Collection<IsolationReportDocument>) {}

  async begin({ id, trigger, owner, leaseMs }: Parameters<IsolationReportStore["begin"]>[0]): Promise<IsolationReportRow> {
    const now = new Date();
    const fresh: IsolationReportDocument = { _id: id, trigger, state: "RUNNING", running: true, probes: 0, leaks: 0, surfaces: [], coverage: { fields: 0, covered: 0, uncovered: [] }, findings: [], started_at: now, lease_owner: owner, lease_until: new Date(now.getTime() + leaseMs) };
    await this.reports.deleteMany({ running: false, started_at: { $lt: new Date(now.getTime() - keptMs) } });
    try {
      await this.reports.insertOne(fresh, majority);
      return toRow(fresh);
    } catch (error) {
      if (error instanceof MongoServerError && error.code === duplicateKey) throw conflict("An isolation audit is running already");
      throw error;
    }
  }

  async record(id: string, owner: string, change: ReportChange, leaseMs: number): Promise<IsolationReportRow> {
    const updated = await this.reports.findOneAndUpdate(
      { _id: id, lease_owner: owner, running: true },
      { $set: { ...toFields(change), lease_until: new Date(Date.now() + leaseMs) } },
      { returnDocument: "after", ...majority },
    );
    if (updated === null) throw conflict("The isolation audit was given up meanwhile");
    return toRow(updated);
  }

  async failAbandoned(): Promise<number> {
    const now = new Date();
    // Disjoint, and a run that still lives extends its lease with each leak it records: neither can undo the other.
    const end = async (leaks: Filter<IsolationReportDocument>["leaks"], state: AuditState): Promise<number> => {
      const { modifiedCount } = await this.reports.updateMany(
        { running: true, lease_until: { $lt: now }, leaks },
        { $set: { state, running: false, finished_at: now, failure: "The server that ran it ended before the audit did" } },
        majority,
      );
      return modifiedCount;
    };
    return (await end({ $gt: 0 }, "LEAKED")) + (await end(0, "FAILED"));
  }

  async running(): Promise<IsolationReportRow | undefined> {
    const found = await this.reports.findOne({ running: true });
    return found === null ? undefined : toRow(found);
  }

  async find(id: string): Promise<IsolationReportRow | undefined> {
    const found = await this.reports.findOne({ _id: id });
    return found === null ? undefined : toRow(found);
  }

  async latest(states: readonly AuditState[], trigger?: AuditTrigger): Promise<IsolationReportRow | undefined> {
    const filter: Filter<IsolationReportDocument> = { state: { $in: [...states] }, ...(trigger === undefined ? {} : { trigger }) };
    const [found] = await this.reports.find(filter).sort({ started_at: -1 }).limit(1).toArray();
    return found === undefined ? undefined : toRow(found);
  }

  async page({ first, after }: PageRequest): Promise<Page<IsolationReportRow>> {
    const found = await this.reports.find(after === undefined ? {} : olderThan(after)).sort({ started_at: -1, _id: -1 }).limit(first + 1).toArray();
    return { items: found.slice(0, first).map((row) => ({ item: toRow(row), cursor: cursorOf(row) })), hasNextPage: found.length > first };
  }
}

function cursorOf({ started_at: at, _id }: Pick<IsolationReportDocument, "started_at" | "_id">): string {
  return Buffer.from(`${at.getTime()}:${_id}`).toString("base64url");
}

/** Throws `BAD_USER_INPUT`. */
function olderThan(cursor: string): Filter<IsolationReportDocument> {
  const [, ms, id] = /^(\d{1,15}):(\w{3}_[\w-]{20})$/.exec(Buffer.from(cursor, "base64url").toString("utf8")) ?? [];
  if (ms === undefined || id === undefined) throw badUserInput("after", "a malformed cursor", "a cursor of this list");
  const at = new Date(Number(ms));
  return { $or: [{ started_at: { $lt: at } }, { started_at: at, _id: { $lt: id } }] };
}

function toFields({ surfaces, findings, finishedAt, ...same }: ReportChange): Partial<IsolationReportDocument> {
  return {
    ...same,
    ...(same.state === undefined ? {} : { running: same.state === "RUNNING" }),
    ...(surfaces === undefined ? {} : { surfaces: [...surfaces] }),
    ...(findings === undefined ? {} : { findings: [...findings] }),
    ...(finishedAt === undefined ? {} : { finished_at: finishedAt }),
  };
}

function toRow(row: IsolationReportDocument): IsolationReportRow {
  const { trigger, state, probes, leaks, recall, surfaces, coverage, findings, failure } = row;
  return {
    id: row._id,
    trigger, state, probes, leaks, surfaces, coverage, findings,
    startedAt: row.started_at,
    ...(recall === undefined ? {} : { recall }),
    ...(failure === undefined ? {} : { failure }),
    ...(row.finished_at === undefined ? {} : { finishedAt: row.finished_at }),
  };
}
