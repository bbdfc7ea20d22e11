import type { Long } from "mongodb";
import type { UsageRow } from "./usage-rows.js";

export interface UsageDocument {
  _id: string;
  tenant_id: string;
  user_pseudonym: string;
  request_id: string;
  path: string;
  call_number: number;
  kind: UsageRow["kind"];
  operation: string;
  model: string;
  prompt_tokens: number;
  completion_tokens: number;
  /** Rows of the first version lack the two. */
  cached_prompt_tokens?: number;
  reasoning_tokens?: number;
  price_version: string;
  /** BSON int64: money is never a double. */
  cost_micro_usd: Long;
  outcome: UsageRow["outcome"];
  at: Date;
  /** The row whose price this one corrects, and the how-manieth correction of it this is, from 1. */
  corrects?: string;
  correction_number?: number;
}

/** An hour of a tenant whose rollups may not equal its rows. Gone when they do. */
export interface HourDocument {
  /** `tenant/hour`, the hour in ms. */
  _id: string;
  tenant_id: string;
  hour: Date;
  /** Servers that may be writing rows of this hour, by the name of their claim, and since when. */
  claims?: Record<string, Date>;
  claimed_at?: Date;
  /** Counts claims, their ends and other news: who has seen a number knows by it whether anything happened since. */
  touches: number;
}

/** The sums of an hour, a user, a model and an operation. */
export interface RollupDocument {
  _id: string;
  tenant_id: string;
  hour: Date;
  user_pseudonym: string;
  model: string;
  operation: string;
  /** Rows it sums, corrections among them. Rows are never changed or removed, so more rows is newer. */
  rows: number;
  calls: number;
  prompt_tokens: number;
  completion_tokens: number;
  cached_prompt_tokens: number;
  reasoning_tokens: number;
  cost_micro_usd: Long;
}

export const hourMs = 3_600_000;

export function hourOf(at: Date): Date {
  return new Date(Math.floor(at.getTime() / hourMs) * hourMs);
}

export function hourId(tenantId: string, hour: Date): string {
  return `${tenantId}/${hour.getTime()}`;
}
