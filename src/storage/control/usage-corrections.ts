import { Long, type Collection, type Filter } from "mongodb";
import { createHash } from "node:crypto";
import type { TenantId } from "../../kernel/ids.js";
import { duplicatesOf, type HourClaims } from "./hour-claims.js";
import type { UsageDocument } from "./usage-documents.js";
import { toUsageRow } from "./usage-listing.js";
import type { CorrectedCall, Correction, UsageCorrections, UsagePlace } from "./usage-rows.js";

const timeMsMax = 10_000;

/**
 * Rows that correct the price of others. The n-th correction of a row has an id made of the row and
 * n: two runs, of one price book or of two, want the same id for what they think comes next, and the
 * second is refused and looks again. An id made of the version alone would let two books both
 * correct the same cost.
 */
export class MongoUsageCorrections implements UsageCorrections {
  constructor(private readonly usage: Collection<UsageDocument>, private readonly claims: HourClaims) {}

  async tenants(): Promise<readonly TenantId[]> {
    return (await this.usage.distinct("tenant_id")).toSorted() as TenantId[];
  }

  async page(tenantId: TenantId, { from, to }: { readonly from: Date; readonly to: Date }, after: UsagePlace | undefined, callsMax: number): Promise<readonly CorrectedCall[]> {
    const filter: Filter<UsageDocument> = {
      tenant_id: tenantId,
      corrects: { $exists: false },
      at: { $gte: after?.at ?? from, $lt: to },
      ...(after === undefined ? {} : { $or: [{ at: { $gt: after.at } }, { _id: { $gt: after.id } }] }),
    };
    const rows = await this.usage.find(filter, { maxTimeMS: timeMsMax }).sort({ at: 1, _id: 1 }).limit(callsMax).toArray();
    const calls = new Map<string, CorrectedCall>(rows.map((row) => [row._id, { row: { ...toUsageRow(row), tenantId }, costMicroUsd: Number(row.cost_micro_usd), priceVersion: row.price_version, corrections: 0 }]));
    await this.#addCorrections(tenantId, calls);
    return [...calls.values()];
  }

  async correct(corrections: readonly Correction[]): Promise<readonly Correction[]> {
    if (corrections.length === 0) return [];
    const documents = corrections.map(toDocument);
    return this.claims.during(documents, async () => {
      try {
        await this.usage.insertMany(documents, { ordered: false, writeConcern: { w: "majority" } });
        return corrections;
      } catch (error) {
        const refused = duplicatesOf(error);
        if (refused === undefined) throw error;
        return corrections.filter((_correction, index) => !refused.has(index));
      }
    });
  }

  /** By id, number after number: most calls have none, hardly one has two. */
  async #addCorrections(tenantId: TenantId, calls: Map<string, CorrectedCall>): Promise<void> {
    let asked = [...calls.keys()];
    for (let number = 1; asked.length > 0; number += 1) {
      const found = await this.usage.find({ tenant_id: tenantId, _id: { $in: asked.map((id) => correctionId(id, number)) } }, { maxTimeMS: timeMsMax }).toArray();
      for (const correction of found) {
        const call = calls.get(correction.corrects ?? "");
        if (call === undefined) continue;
        calls.set(call.row.id, { ...call, costMicroUsd: call.costMicroUsd + Number(correction.cost_micro_usd), priceVersion: correction.price_version, corrections: number });
      }
      asked = found.flatMap(({ corrects }) => (corrects === undefined ? [] : [corrects]));
    }
  }
}

function correctionId(rowId: string, number: number): string {
  return `use_${createHash("sha256").update(JSON.stringify(["correction", rowId, number])).digest("base64url").slice(0, 27)}`;
}

/** At the time of the call it corrects, so that its month is right; of no tokens, so that none counts twice. */
function toDocument({ call: { row, corrections }, priceVersion, differenceMicroUsd }: Correction): UsageDocument {
  return {
    _id: correctionId(row.id, corrections + 1),
    tenant_id: row.tenantId,
    user_pseudonym: row.userPseudonym,
    request_id: row.requestId,
    path: row.path,
    call_number: row.callNumber,
    kind: row.kind,
    operation: row.operation,
    model: row.model,
    prompt_tokens: 0,
    completion_tokens: 0,
    cached_prompt_tokens: 0,
    reasoning_tokens: 0,
    price_version: priceVersion,
    cost_micro_usd: Long.fromNumber(differenceMicroUsd),
    outcome: row.outcome,
    at: row.at,
    corrects: row.id,
    correction_number: corrections + 1,
  };
}
