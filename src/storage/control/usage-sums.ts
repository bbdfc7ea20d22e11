import type { Collection, Document } from "mongodb";
import type { TenantId } from "../../kernel/ids.js";
import { hourMs, hourOf, type HourDocument, type RollupDocument, type UsageDocument } from "./usage-documents.js";
import { addUsage, noUsage, type UsageGroup, type UsageGrouping } from "./usage-rows.js";

export interface UsageSpan {
  readonly tenantId: TenantId;
  readonly from: Date;
  readonly to: Date;
  readonly groupBy: UsageGrouping;
  readonly userPseudonym?: string;
}

interface Range { readonly from: Date; readonly to: Date }

const day = (field: string): Document => ({ $dateToString: { date: field, format: "%Y-%m-%d" } });
const keys: Readonly<Record<UsageGrouping, string | undefined>> = { MODEL: "$model", USER: "$user_pseudonym", OPERATION: "$operation", DAY: undefined };

/** A correction is no call: it only moves money. */
export const isCall: Document = { $cond: [{ $eq: [{ $type: "$corrects" }, "missing"] }, 1, 0] };

/** What rows and rollups both have; a row of the first version that lacks one adds nothing to it. */
export const summedFields = ["prompt_tokens", "completion_tokens", "cached_prompt_tokens", "reasoning_tokens", "cost_micro_usd"] as const;

/** Below this the rows themselves are about as few as their rollups. */
const rollupSpanMsMin = 2 * hourMs;
/** Pieces that are read row by row. A tenant with more open hours than this is being projected for the first time. */
const rangesMax = 50;
const timeMsMax = 5_000;

/** Sums of a tenant's ledger: whole hours from the rollups where those equal the rows, the rest from the rows. */
export class UsageSums {
  constructor(
    private readonly usage: Collection<UsageDocument>,
    private readonly rollups: Collection<RollupDocument>,
    private readonly hours: Collection<HourDocument>,
    private readonly isReady: () => Promise<boolean>,
  ) {}

  async sum(span: UsageSpan): Promise<readonly UsageGroup[]> {
    const whole = { from: hourOf(new Date(span.from.getTime() + hourMs - 1)), to: hourOf(span.to) };
    if (whole.to.getTime() - whole.from.getTime() < rollupSpanMsMin || !(await this.isReady())) return this.sumRows(span, [span]);
    // Before anything is summed: an hour is taken off this list after its rollups are written, so one that is not on it now is complete.
    const open = await this.#openHours(span.tenantId, whole);
    const ranges = rangesOf(span, whole, open);
    if (ranges.length > rangesMax) return this.sumRows(span, [span]);
    return merge([await this.#sumRollups(span, whole, open), await this.sumRows(span, ranges)]);
  }

  /** From the rows alone: what the rollups have to equal. */
  async sumRows(span: UsageSpan, ranges: readonly Range[] = [span]): Promise<readonly UsageGroup[]> {
    // One after the other: a `$or` of ranges may read the whole collection.
    const parts: UsageGroup[][] = [];
    for (const { from, to } of ranges) {
      const match = { ...ofUser(span), at: { $gte: from, $lt: to } };
      parts.push(await groups(this.usage, match, { key: keys[span.groupBy] ?? day("$at"), calls: isCall }));
    }
    return merge(parts);
  }

  #sumRollups(span: UsageSpan, { from, to }: Range, open: readonly Date[]): Promise<UsageGroup[]> {
    const match = { ...ofUser(span), hour: { $gte: from, $lt: to, ...(open.length === 0 ? {} : { $nin: open }) } };
    return groups(this.rollups, match, { key: keys[span.groupBy] ?? day("$hour"), calls: "$calls" });
  }

  async #openHours(tenantId: TenantId, { from, to }: Range): Promise<readonly Date[]> {
    const found = await this.hours.find({ tenant_id: tenantId, hour: { $gte: from, $lt: to } }, { projection: { hour: 1 }, maxTimeMS: timeMsMax }).sort({ hour: 1 }).toArray();
    return found.map(({ hour }) => hour);
  }
}

function ofUser({ tenantId, userPseudonym }: UsageSpan): Document {
  return { tenant_id: tenantId, ...(userPseudonym === undefined ? {} : { user_pseudonym: userPseudonym }) };
}

/** The two edges and the open hours, neighbours joined. */
function rangesOf(span: Range, whole: Range, open: readonly Date[]): readonly Range[] {
  const pieces = [{ from: span.from, to: whole.from }, ...open.map((hour) => ({ from: hour, to: new Date(hour.getTime() + hourMs) })), { from: whole.to, to: span.to }];
  const joined: Range[] = [];
  for (const piece of pieces.filter(({ from, to }) => from < to)) {
    const last = joined.at(-1);
    if (last?.to.getTime() === piece.from.getTime()) joined[joined.length - 1] = { from: last.from, to: piece.to };
    else joined.push(piece);
  }
  return joined;
}

async function groups<Row extends Document>(collection: Collection<Row>, match: Document, { key, calls }: { key: unknown; calls: unknown }): Promise<UsageGroup[]> {
  const found = await collection
    .aggregate<Document>(
      [
        { $match: match },
        { $group: { _id: key, calls: { $sum: calls }, ...Object.fromEntries(summedFields.map((field) => [field, { $sum: `$${field}` }])) } },
      ],
      { maxTimeMS: timeMsMax },
    )
    .toArray();
  return found.map((group) => ({
    key: String(group["_id"]),
    calls: Number(group["calls"]),
    promptTokens: Number(group["prompt_tokens"]),
    completionTokens: Number(group["completion_tokens"]),
    cachedPromptTokens: Number(group["cached_prompt_tokens"]),
    reasoningTokens: Number(group["reasoning_tokens"]),
    costMicroUsd: Number(group["cost_micro_usd"]),
  }));
}

/** Adds the groups of several sources by key, in the order of keys. */
function merge(parts: readonly (readonly UsageGroup[])[]): readonly UsageGroup[] {
  const byKey = new Map<string, UsageGroup>();
  for (const group of parts.flat()) byKey.set(group.key, { key: group.key, ...addUsage(byKey.get(group.key) ?? noUsage, group) });
  return [...byKey.values()].toSorted((a, b) => (a.key < b.key ? -1 : 1));
}
