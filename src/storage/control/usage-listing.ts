import type { Collection, Document } from "mongodb";
import type { RequestId, TenantId } from "../../kernel/ids.js";
import type { UsageDocument } from "./usage-documents.js";
import type { UsageListing, UsageRow } from "./usage-rows.js";

const timeMsMax = 10_000;

/** The rows of one tenant, oldest first. */
export class MongoUsageListing implements UsageListing {
  constructor(private readonly tenantId: TenantId, private readonly usage: Collection<UsageDocument>) {}

  async list(from: Date, to: Date, rowsMax: number, userPseudonym?: string): Promise<readonly UsageRow[]> {
    const filter: Document = { tenant_id: this.tenantId, at: { $gte: from, $lt: to }, ...(userPseudonym === undefined ? {} : { user_pseudonym: userPseudonym }) };
    const found = await this.usage.find(filter, { maxTimeMS: timeMsMax }).sort({ at: 1, _id: 1 }).limit(rowsMax).toArray();
    return found.map(toUsageRow);
  }
}

export function toUsageRow(row: UsageDocument): UsageRow {
  return {
    id: row._id,
    userPseudonym: row.user_pseudonym,
    requestId: row.request_id as RequestId,
    path: row.path,
    callNumber: row.call_number,
    kind: row.kind,
    operation: row.operation,
    model: row.model,
    promptTokens: row.prompt_tokens,
    completionTokens: row.completion_tokens,
    cachedPromptTokens: row.cached_prompt_tokens ?? 0,
    reasoningTokens: row.reasoning_tokens ?? 0,
    priceVersion: row.price_version,
    costMicroUsd: Number(row.cost_micro_usd),
    outcome: row.outcome,
    at: row.at,
    ...(row.corrects === undefined ? {} : { corrects: row.corrects }),
  };
}
