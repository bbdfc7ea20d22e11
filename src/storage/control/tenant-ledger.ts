import { Long } from "mongodb";
import { createHash } from "node:crypto";
import type { TenantId } from "../../kernel/ids.js";
import type { UsageDocument } from "./usage-documents.js";
import type { TenantLedger, UsageGroup, UsageGrouping, UsageRow } from "./usage-rows.js";
import type { UsageSums } from "./usage-sums.js";

/** The ledger as one tenant sees it. `append` goes through `LedgerWriter`, which commits concurrent rows together. */
export class MongoTenantLedger implements TenantLedger {
  constructor(
    private readonly tenantId: TenantId,
    private readonly sums: UsageSums,
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

  report(from: Date, to: Date, groupBy: UsageGrouping, userPseudonym?: string): Promise<readonly UsageGroup[]> {
    return this.sums.sum({ tenantId: this.tenantId, from, to, groupBy, ...(userPseudonym === undefined ? {} : { userPseudonym }) });
  }
}

/** The same call gives the same id, so that a row sent twice lands once. */
function rowId(tenantId: TenantId, row: Omit<UsageRow, "id">): string {
  const parts = JSON.stringify([tenantId, row.requestId, row.path, row.callNumber, row.kind]);
  return `use_${createHash("sha256").update(parts).digest("base64url").slice(0, 27)}`;
}
