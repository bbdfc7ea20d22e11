import { createHmac } from "node:crypto";
import { internal } from "../kernel/errors.js";
import type { TenantId } from "../kernel/ids.js";
import type { KeyVault } from "../storage/control/control-plane.js";
import type { TenantContext } from "../tenancy/tenant-context.js";

/** Base64url characters kept of a hash: 132 bits, so no two users of a deployment share one. */
const hashCharsMax = 22;
/** As the tenant's key is called in the vault. Erasing a tenant destroys it; no second one is made. */
export const pseudonymKeyName = "pseudonyms";
/**
 * How long a key is remembered. A destroyed one makes no harm meanwhile: what is named with it is
 * nobody's already. So the bound is for memory's sake, and a call of a model costs no read.
 */
const keyAgeMsMax = 60_000;
const keysMax = 10_000;

/**
 * Names for users that say nothing of who they are. Each tenant has a key of its own, so one person
 * in two tenants has two names and neither can be matched with the other, and destroying the key
 * makes every name that the ledger keeps nobody's.
 */
export class UserPseudonyms {
  readonly #keys = new Map<TenantId, { readonly key: Promise<Buffer>; readonly readAt: number }>();

  constructor(private readonly vault: Pick<KeyVault, "ensure">) {}

  /** The user's name in the usage ledger. Throws `NOT_FOUND` for a tenant that was erased, `SERVICE_UNAVAILABLE`. */
  async inLedger(context: TenantContext): Promise<string> {
    return `usr_${await this.#hash("ledger", context)}`;
  }

  /** What a model provider is told for tracing abuse; differs from the ledger's, so that neither leads to the other. */
  async forProvider(context: TenantContext): Promise<string> {
    return `tag_${await this.#hash("provider", context)}`;
  }

  /** What parts the tenant's prompts from all others' in a provider's cache. One for all users of the tenant; nobody can guess it. */
  async cacheSalt({ tenantId }: TenantContext): Promise<string> {
    return `salt_${await this.#hashOf(["cache", tenantId], tenantId)}`;
  }

  #hash(purpose: string, { tenantId, userId }: TenantContext): Promise<string> {
    return this.#hashOf([purpose, tenantId, userId], tenantId);
  }

  async #hashOf(said: readonly string[], tenantId: TenantId): Promise<string> {
    // JSON keeps the parts apart: no tenant and user can be re-cut into another pair.
    const parts = JSON.stringify(said);
    return createHmac("sha256", await this.#keyOf(tenantId)).update(parts).digest("base64url").slice(0, hashCharsMax);
  }

  #keyOf(tenantId: TenantId): Promise<Buffer> {
    const known = this.#keys.get(tenantId);
    if (known !== undefined && performance.now() - known.readAt < keyAgeMsMax) return known.key;
    const key = this.#read(tenantId);
    const entry = { key, readAt: performance.now() };
    this.#keys.delete(tenantId);
    const oldest = this.#keys.keys().next().value;
    if (this.#keys.size >= keysMax && oldest !== undefined) this.#keys.delete(oldest);
    this.#keys.set(tenantId, entry);
    // A failure is told to whoever waits for it and not remembered.
    key.catch(() => {
      if (this.#keys.get(tenantId) === entry) this.#keys.delete(tenantId);
    });
    return key;
  }

  /** The first version for ever: a name that changed would split a user's calls in two. */
  async #read(tenantId: TenantId): Promise<Buffer> {
    const { versions } = await this.vault.ensure(tenantId, pseudonymKeyName);
    const [first] = versions;
    if (first === undefined) throw internal("A secret has no version");
    return first.key;
  }
}
