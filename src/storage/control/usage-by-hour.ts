import type { Collection, Document } from "mongodb";
import { hourMs, hourOf, type HourDocument, type RollupDocument, type UsageDocument } from "./usage-documents.js";
import type { HourOfUsage, UsageByHour } from "./usage-rows.js";

const timeMsMax = 10_000;
/** Tenants whose open hours are summed in one statement. */
const tenantsMax = 200;

/** Tokens and money of all tenants by hour: whole hours from the rollups, and from the rows where those may not equal them yet. */
export class MongoUsageByHour implements UsageByHour {
  constructor(
    private readonly usage: Collection<UsageDocument>,
    private readonly rollups: Collection<RollupDocument>,
    private readonly hours: Collection<HourDocument>,
  ) {}

  async read(from: Date, to: Date): Promise<readonly HourOfUsage[]> {
    const span = { $gte: hourOf(from), $lt: to };
    // Before anything is summed: an hour leaves this list after its rollups are written.
    const open = await this.hours.find({ hour: span }, { projection: { tenant_id: 1, hour: 1 }, maxTimeMS: timeMsMax }).toArray();
    const isOpen = new Set(open.map(({ tenant_id: tenant, hour }) => keyOf(tenant, hour)));
    const summed = await this.rollups
      .aggregate<Document>([{ $match: { hour: span } }, { $group: { _id: { tenant: "$tenant_id", hour: "$hour" }, tokens: { $sum: tokens }, cost: { $sum: "$cost_micro_usd" } } }], { maxTimeMS: timeMsMax })
      .toArray();
    const closed = summed.map(toHour).filter(({ tenant, hour }) => !isOpen.has(keyOf(tenant, hour)));
    const rows: HourOfUsage[] = [];
    const tenants = [...new Set(open.map(({ tenant_id: tenant }) => tenant))];
    const first = new Date(Math.min(...open.map(({ hour }) => hour.getTime())));
    const end = new Date(Math.max(...open.map(({ hour }) => hour.getTime())) + hourMs);
    for (let at = 0; at < tenants.length; at += tenantsMax) rows.push(...(await this.#ofRows(tenants.slice(at, at + tenantsMax), first, end)));
    return [...closed, ...rows.filter(({ tenant, hour }) => isOpen.has(keyOf(tenant, hour)))];
  }

  async #ofRows(tenants: readonly string[], first: Date, end: Date): Promise<readonly HourOfUsage[]> {
    const found = await this.usage
      .aggregate<Document>(
        [
          { $match: { tenant_id: { $in: [...tenants] }, at: { $gte: first, $lt: end } } },
          { $group: { _id: { tenant: "$tenant_id", hour: { $dateTrunc: { date: "$at", unit: "hour" } } }, tokens: { $sum: tokens }, cost: { $sum: "$cost_micro_usd" } } },
        ],
        { maxTimeMS: timeMsMax },
      )
      .toArray();
    return found.map(toHour);
  }
}

const tokens: Document = { $add: ["$prompt_tokens", "$completion_tokens"] };

function keyOf(tenant: string, hour: Date): string {
  return `${tenant}/${hour.getTime()}`;
}

function toHour(found: Document): HourOfUsage {
  const { tenant, hour } = found["_id"] as { tenant: string; hour: Date };
  return { tenant, hour, tokens: Number(found["tokens"]), costMicroUsd: Number(found["cost"]) };
}
