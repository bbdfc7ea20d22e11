/**
 * Where a tenant's requests spent their time, by period and server. A row is the whole of what one
 * server has seen of a tenant in a period so far, and each time it is written it takes the place of
 * the one before: a write whose answer was lost is simply made again, and nothing is counted twice.
 */

/** Of the histograms: bucket and count by turns. */
export interface TimedStage {
  readonly name: string;
  /** In all. */
  readonly ms: number;
  readonly buckets: readonly number[];
}

/** Time for which others held the slots while the tenant's requests were in a stage. */
export interface HeldTime {
  readonly stage: string;
  /** Left out where no single tenant did. */
  readonly tenant?: string;
  readonly work: string;
  readonly ms: number;
}

/** `FINE`: periods of minutes, kept for a day. `HOUR`: kept for weeks. */
export type TimingWidth = "FINE" | "HOUR";

export interface TimingRow {
  /** `othersName` for those past the number that are kept apart. */
  readonly tenant: string;
  /** Of the process: one that starts anew is another. */
  readonly server: string;
  readonly width: TimingWidth;
  readonly from: Date;
  readonly requests: number;
  readonly refusals: number;
  /** Of whole requests. */
  readonly total: { readonly ms: number; readonly buckets: readonly number[] };
  readonly queueWaitMs: number;
  readonly stages: readonly TimedStage[];
  readonly held: readonly HeldTime[];
  readonly expiresAt: Date;
}

/** No tenant id begins with an underscore. */
export const othersName = "_other";

export interface TimingStore {
  /** Of tenants whose erasure has begun nothing is written; gives their ids, so that they can be forgotten. Throws `SERVICE_UNAVAILABLE`. */
  save(rows: readonly TimingRow[]): Promise<readonly string[]>;
  /** Periods that begin in `from <= at < to`, at most `rowsMax`, the latest first. */
  read(span: { readonly width: TimingWidth; readonly from: Date; readonly to: Date; readonly tenant?: string }, rowsMax: number): Promise<readonly TimingRow[]>;
  /** The same without the stages' histograms, which are most of a row. */
  readTotals(span: { readonly width: TimingWidth; readonly from: Date; readonly to: Date; readonly tenant?: string }, rowsMax: number): Promise<readonly TimingRow[]>;
}
