import { Long, type Collection, type Document } from "mongodb";
import { createHash } from "node:crypto";
import { claimAgeMsMax, duplicatesOf, touch, upsertAll, type HourClaims } from "./hour-claims.js";
import { takeLease, type LeaseDocument } from "./lease.js";
import type { MarkerStore } from "./control-plane.js";
import { hourMs, type HourDocument, type RollupDocument, type UsageDocument } from "./usage-documents.js";
import type { UsageRollups } from "./usage-rows.js";
import { isCall, summedFields } from "./usage-sums.js";

export interface RollupCollections {
  readonly usage: Collection<UsageDocument>;
  readonly rollups: Collection<RollupDocument>;
  readonly hours: Collection<HourDocument>;
  readonly leases: Collection<LeaseDocument>;
}

/** Another shape of rollups takes another name: everything is then projected anew before it is read. */
const readyMarker = "usage-rollups-1";
const leaseName = "usage-projector";
const writesMax = 500;
const timeMsMax = 60_000;

/**
 * Rollups as a projection of the rows. An hour is always summed whole, so a row that comes late, in
 * any order, needs no place in a sequence; and sums are only ever replaced by sums of more rows, so
 * a projector that slept undoes nothing, and two at once do no harm.
 */
export class MongoUsageRollups implements UsageRollups {
  constructor(
    private readonly collections: RollupCollections,
    private readonly claims: HourClaims,
    private readonly markers: MarkerStore,
  ) {}

  releaseHours(idleMs: number): Promise<void> {
    return this.claims.release(idleMs);
  }

  lease(owner: string, forMs: number): Promise<boolean> {
    return takeLease(this.collections.leases, leaseName, owner, forMs);
  }

  isReady(): Promise<boolean> {
    return this.markers.has(readyMarker);
  }

  setReady(): Promise<void> {
    return this.markers.set(readyMarker);
  }

  async project(hoursMax: number): Promise<number> {
    const { hours } = this.collections;
    // Of servers that died, or were stopped before they could say so.
    const abandoned = new Date(Date.now() - claimAgeMsMax);
    const free = await hours
      .find({ $or: [{ claims: {} }, { claims: { $exists: false } }, { claimed_at: { $lt: abandoned } }] }, { maxTimeMS: timeMsMax })
      .sort({ tenant_id: 1, hour: 1 })
      .limit(hoursMax)
      .toArray();
    for (const open of free) {
      await this.#projectHour(open);
      // Only if nothing has happened since it was read: whatever came meanwhile stays on the list.
      await hours.deleteOne({ _id: open._id, touches: open.touches }, { writeConcern: { w: "majority" } });
    }
    return free.length;
  }

  async markStale(since: Date = new Date(0)): Promise<number> {
    const { usage, rollups, hours } = this.collections;
    let stale = 0;
    for (const tenantId of await usage.distinct("tenant_id")) {
      const openBefore = await openHours(hours, tenantId);
      const [rows, summed] = await Promise.all([
        rowsByHour(usage, { tenant_id: tenantId, at: { $gte: since } }, { $dateTrunc: { date: "$at", unit: "hour" } }, 1),
        rowsByHour(rollups, { tenant_id: tenantId, hour: { $gte: new Date(since.getTime() - hourMs) } }, "$hour", "$rows"),
      ]);
      // What is open, or was while the rows were counted, may differ and is on its way already.
      const open = new Set([...openBefore, ...(await openHours(hours, tenantId))]);
      // Rows are never changed or removed: the same number of them is the same sum.
      const wrong = [...rows].filter(([hour, count]) => hour >= since.getTime() && !open.has(hour) && count !== summed.get(hour)).map(([hour]) => new Date(hour));
      for (let at = 0; at < wrong.length; at += writesMax) await upsertAll(hours, wrong.slice(at, at + writesMax).map((hour) => touch(tenantId, hour)));
      stale += wrong.length;
    }
    return stale;
  }

  async #projectHour({ tenant_id: tenantId, hour }: HourDocument): Promise<void> {
    const { usage, rollups } = this.collections;
    const sums = await usage.aggregate<Document>(sumOfHour(tenantId, hour), { maxTimeMS: timeMsMax }).toArray();
    const documents = sums.map((sum) => rollupOf(tenantId, hour, sum));
    for (let at = 0; at < documents.length; at += writesMax) await replaceOlder(rollups, documents.slice(at, at + writesMax));
  }
}

async function replaceOlder(rollups: Collection<RollupDocument>, documents: readonly RollupDocument[]): Promise<void> {
  const updates = documents.map(({ _id, ...sums }) => ({ updateOne: { filter: { _id, rows: { $lt: sums.rows } }, update: { $set: sums }, upsert: true } }));
  try {
    await rollups.bulkWrite(updates, { ordered: false, writeConcern: { w: "majority" } });
  } catch (error) {
    // A duplicate is a rollup of as many rows or more: another projector's, which is as good or newer.
    if (duplicatesOf(error) === undefined) throw error;
  }
}

function sumOfHour(tenantId: string, hour: Date): Document[] {
  return [
    { $match: { tenant_id: tenantId, at: { $gte: hour, $lt: new Date(hour.getTime() + hourMs) } } },
    {
      $group: {
        _id: { user_pseudonym: "$user_pseudonym", model: "$model", operation: "$operation" },
        rows: { $sum: 1 },
        calls: { $sum: isCall },
        ...Object.fromEntries(summedFields.map((field) => [field, { $sum: `$${field}` }])),
      },
    },
  ];
}

function rollupOf(tenantId: string, hour: Date, sum: Document): RollupDocument {
  const { user_pseudonym, model, operation } = sum["_id"] as Pick<RollupDocument, "user_pseudonym" | "model" | "operation">;
  const name = createHash("sha256").update(JSON.stringify([user_pseudonym, model, operation])).digest("base64url").slice(0, 27);
  const number = (field: string): number => Number(sum[field]);
  return {
    _id: `${tenantId}/${hour.getTime()}/${name}`,
    tenant_id: tenantId,
    hour,
    user_pseudonym,
    model,
    operation,
    rows: number("rows"),
    calls: number("calls"),
    prompt_tokens: number("prompt_tokens"),
    completion_tokens: number("completion_tokens"),
    cached_prompt_tokens: number("cached_prompt_tokens"),
    reasoning_tokens: number("reasoning_tokens"),
    cost_micro_usd: Long.fromNumber(number("cost_micro_usd")),
  };
}

async function openHours(hours: Collection<HourDocument>, tenantId: string): Promise<readonly number[]> {
  const found = await hours.find({ tenant_id: tenantId }, { projection: { hour: 1 }, maxTimeMS: timeMsMax }).toArray();
  return found.map(({ hour }) => hour.getTime());
}

async function rowsByHour<Row extends Document>(collection: Collection<Row>, match: Document, hour: unknown, count: unknown): Promise<ReadonlyMap<number, number>> {
  const found = await collection.aggregate<Document>([{ $match: match }, { $group: { _id: hour, rows: { $sum: count } } }], { maxTimeMS: timeMsMax }).toArray();
  return new Map(found.map((group) => [(group["_id"] as Date).getTime(), Number(group["rows"])]));
}
