import { createHmac } from "node:crypto";
import type { TenantContext } from "../tenancy/tenant-context.js";

/** Base64url characters kept of a hash: 132 bits, so no two users of a deployment share one. */
const hashCharsMax = 22;

/**
 * Names for users that say nothing of who they are. The key is the deployment's, stretched by the
 * tenant's id, so one person in two tenants has two names and neither can be matched with the other.
 */
export class UserPseudonyms {
  /** `key`: at least 32 random bytes, kept as long as the ledger is to be read by user. */
  constructor(private readonly key: Uint8Array) {}

  /** The user's name in the usage ledger. */
  inLedger(context: TenantContext): string {
    return `usr_${this.#hash("ledger", context)}`;
  }

  /** What a model provider is told for tracing abuse; differs from the ledger's, so that neither leads to the other. */
  forProvider(context: TenantContext): string {
    return `tag_${this.#hash("provider", context)}`;
  }

  #hash(purpose: string, context: TenantContext): string {
    // JSON keeps the parts apart: no tenant and user can be re-cut into another pair.
    const parts = JSON.stringify([purpose, context.tenantId, context.userId]);
    return createHmac("sha256", this.key).update(parts).digest("base64url").slice(0, hashCharsMax);
  }
}
