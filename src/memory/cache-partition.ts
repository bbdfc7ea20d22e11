import { createHash } from "node:crypto";
import type { TenantContext } from "../tenancy/tenant-context.js";

/** What a tenant's search could find at one moment: grows with everything that is published, withdrawn or removed. */
export interface IndexVersion {
  /** Of the placement: numbers of two homes are not compared. */
  readonly epoch: number;
  /** `revision` of the tenant's totals. */
  readonly revision: number;
}

/** All that an answer hangs on besides its question. Two questions meet only where all of it is equal. */
export interface CachePartition {
  readonly context: TenantContext;
  readonly model: string;
  readonly maxTokens: number;
  readonly promptVersion: number;
  readonly index: IndexVersion;
}

/**
 * A hash over the parts as JSON, which keeps them apart whatever they contain: no text of a caller is
 * part of it, and no two partitions share a beginning that a similarity could take for the whole.
 */
export function partitionKey({ context, model, maxTokens, promptVersion, index }: CachePartition): string {
  const parts = [context.tenantId, accessOf(context), model, [maxTokens, context.policy.contextTokens], promptVersion, [index.epoch, index.revision]];
  return createHash("sha256").update(JSON.stringify(parts)).digest("base64");
}

/** Which of the tenant's documents the caller may see. Today every member sees all, so that one's answer is the other's. */
function accessOf(_context: TenantContext): string {
  return "all documents";
}
