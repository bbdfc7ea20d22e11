import { Long, type Collection, type Document } from "mongodb";
import { createHash } from "node:crypto";
import type { TenantId } from "../../kernel/ids.js";
import type { TenantLedger, UsageGroup, UsageGrouping, UsageRow } from "./control-plane.js";

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
  cached_prompt_tokens: number;
  reasoning_tokens: number;
  price_version: string;
  /** BSON int64: money is never a double. */
  cost_micro_usd: Long;
  outcome: UsageRow["outcome"];
  at: Date;
}

const groupKeys: Readonly<Record<UsageGrouping, unknown>> = {
  MODEL: "$model",
  USER: "$user_pseudonym",
  OPERATION: "$operation",
  DAY: { $dateToString: { date: "$at", format: "%Y-%m-%d" } },
};

/** The ledger as one tenant sees it. `append` goes through `LedgerWriter`, which commits concurrent rows together. */
export class MongoTenantLedger implements TenantLedger {
  constructor(
    private readonly tenantId: TenantId,
    private readonly usage: Collection<UsageDocument>,
    private readonly writer: { append(row: UsageDocument): Promise<void> },
  ) {}

  append(row: Omit<UsageRow, "id">): Promise<void> {
    return this.writer.append({
      _id: rowId(this.tenantId, row),
      tenant_id: this.tenantId,
      user_pseudonym: row.userPseudonym,
      request_id: row.requestId,
      path: row.path,
      call_number: row.callNumber,
      kind: row.kind,
      operation: row.operation,
      model: row.model,
      prompt_tokens: row.promptTokens,
      completion_tokens: row.completionTokens,
      cached_prompt_tokens: row.cachedPromptTokens ?? 0,
      reasoning_tokens: row.reasoningTokens ?? 0,
      price_version: row.priceVersion,
      cost_micro_usd: Long.fromNumber(row.costMicroUsd),
      outcome: row.outcome,
      at: row.at,
    });
  }

  async report(from: Date, to: Date, groupBy: UsageGrouping, userPseudonym?: string): Promise<readonly UsageGroup[]> {
    const groups = await this.usage
      .aggregate<Document>(
        [
          { $match: { tenant_id: this.tenantId, at: { $gte: from, $lt: to }, ...(userPseudonym === undefined ? {} : { user_pseudonym: userPseudonym }) } },
          {
            $group: {
              _id: groupKeys[groupBy],
              calls: { $sum: 1 },
              prompt_tokens: { $sum: "$prompt_tokens" },
              completion_tokens: { $sum: "$completion_tokens" },
              cost_micro_usd: { $sum: "$cost_micro_usd" },
            },
          },
          { $sort: { _id: 1 } },
        ],
        { maxTimeMS: 5_000 },
      )
      .toArray();
    return groups.map((group) => ({
      key: String(group._id),
      calls: Number(group.calls),
      promptTokens: Number(group.prompt_tokens),
      completionTokens: Number(group.completion_tokens),
      costMicroUsd: Number(group.cost_micro_usd),
    }));
  }
}

/** The same call gives the same id, so that a row sent twice lands once. */
function rowId(tenantId: TenantId, row: Omit<UsageRow, "id">): string {
  const parts = JSON.stringify([tenantId, row.requestId, row.path, row.callNumber, row.kind]);
  return `use_${createHash("sha256").update(parts).digest("base64url").slice(0, 27)}`;
}
