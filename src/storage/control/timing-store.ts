import type { Collection, Filter } from "mongodb";
import type { TimingRow, TimingStore } from "./timing-rows.js";

export interface TimingDocument {
  /** `tenant/width/from/server`. */
  _id: string;
  tenant_id: string;
  server: string;
  width: TimingRow["width"];
  from: Date;
  requests: number;
  refusals: number;
  total_ms: number;
  buckets: number[];
  queue_wait_ms: number;
  /** Without `buckets` where they were not asked for. */
  stages: { name: string; ms: number; buckets?: number[] }[];
  held: { stage: string; tenant_id?: string; work: string; ms: number }[];
  expires_at: Date;
}

type Span = Parameters<TimingStore["read"]>[0];

const writeMsMax = 5_000;
const readMsMax = 10_000;

export class MongoTimingStore implements TimingStore {
  constructor(
    private readonly timings: Collection<TimingDocument>,
    private readonly erasures: Collection<{ _id: string }>,
  ) {}

  async save(rows: readonly TimingRow[]): Promise<readonly string[]> {
    const named = [...new Set(rows.flatMap(({ tenant, held }) => [tenant, ...held.flatMap((part) => part.tenant ?? [])]))];
    // A server that had a tenant's figures in memory when it was erased must not bring them back.
    const gone = new Set((await this.erasures.find({ _id: { $in: named } }, { projection: { _id: 1 }, maxTimeMS: readMsMax }).toArray()).map(({ _id }) => _id));
    const kept = rows.filter(({ tenant }) => !gone.has(tenant)).map((row) => documentOf(row, gone));
    if (kept.length > 0) {
      await this.timings.bulkWrite(
        kept.map(({ _id, ...replacement }) => ({ replaceOne: { filter: { _id }, replacement, upsert: true } })),
        { ordered: false, timeoutMS: writeMsMax },
      );
    }
    return [...gone];
  }

  read(span: Span, rowsMax: number): Promise<readonly TimingRow[]> {
    return this.#find(span, {}, rowsMax);
  }

  readTotals(span: Span, rowsMax: number): Promise<readonly TimingRow[]> {
    return this.#find(span, { projection: { "stages.buckets": 0 } }, rowsMax);
  }

  async #find({ width, from, to, tenant }: Span, options: object, rowsMax: number): Promise<readonly TimingRow[]> {
    const filter: Filter<TimingDocument> = { width, from: { $gte: from, $lt: to }, ...(tenant === undefined ? {} : { tenant_id: tenant }) };
    const found = await this.timings.find(filter, { ...options, maxTimeMS: readMsMax }).sort({ from: -1 }).limit(rowsMax).toArray();
    return found.map(toRow);
  }
}

function documentOf({ tenant, server, width, from, requests, refusals, total, queueWaitMs, stages, held, expiresAt }: TimingRow, gone: ReadonlySet<string>): TimingDocument {
  return {
    _id: `${tenant}/${width}/${from.getTime()}/${server}`,
    tenant_id: tenant, server, width, from, requests, refusals,
    total_ms: total.ms,
    buckets: [...total.buckets],
    queue_wait_ms: queueWaitMs,
    stages: stages.map(({ name, ms, buckets }) => ({ name, ms, buckets: [...buckets] })),
    held: held.filter((part) => part.tenant === undefined || !gone.has(part.tenant)).map((part) => ({ stage: part.stage, ...(part.tenant === undefined ? {} : { tenant_id: part.tenant }), work: part.work, ms: part.ms })),
    expires_at: expiresAt,
  };
}

function toRow(document: TimingDocument): TimingRow {
  const { server, width, from, requests, refusals } = document;
  return {
    tenant: document.tenant_id, server, width, from, requests, refusals,
    total: { ms: document.total_ms, buckets: document.buckets },
    queueWaitMs: document.queue_wait_ms,
    stages: document.stages.map(({ name, ms, buckets }) => ({ name, ms, buckets: buckets ?? [] })),
    held: document.held.map(({ stage, tenant_id: tenant, work, ms }) => ({ stage, work, ms, ...(tenant === undefined ? {} : { tenant }) })),
    expiresAt: document.expires_at,
  };
}
