import type { Deadline } from "../kernel/deadline.js";
import { BulkheadError, forbidden, serviceUnavailable, unauthenticated } from "../kernel/errors.js";
import type { RequestId } from "../kernel/ids.js";
import type { Telemetry } from "../kernel/telemetry.js";
import { Loaders } from "../graphql/loaders.js";
import type { AnonymousRequest, RequestContext, TenantRequest } from "../graphql/request-context.js";
import type { Services } from "../graphql/services.js";
import { isProbeTenant } from "../tenancy/probe-tenant.js";
import { openTenantContext, type TenantContext } from "../tenancy/tenant-context.js";
import type { TenantDirectory } from "../tenancy/tenant-directory.js";
import type { TierPolicies } from "../tenancy/tier-policy.js";
import type { VerifiedCaller, VerifiedTenantCaller } from "../tenancy/verified-caller.js";

/**
 * From a verified caller to the context that everything behind this line receives. The directory is
 * asked each time, so that a suspended tenant is refused although its claims are still cached.
 */
export class RequestOpener {
  constructor(
    private readonly services: Services,
    private readonly directory: TenantDirectory,
    private readonly policies: TierPolicies,
    private readonly telemetry: Telemetry,
  ) {}

  /** Throws `UNAUTHENTICATED` for an unknown tenant, `TENANT_SUSPENDED`, `SERVICE_UNAVAILABLE` when the directory cannot be read. */
  async open(caller: VerifiedCaller, requestId: RequestId, deadline: Deadline): Promise<RequestContext> {
    // No token speaks for them, whoever signed it: the audit is their only caller, and comes by `openProbe`.
    if (caller.kind === "TENANT" && isProbeTenant(caller.tenantId)) throw unauthenticated("The token's tenant is not known here");
    const scope = this.#scope(requestId, deadline);
    if (caller.kind === "OPERATOR") return { kind: "OPERATOR", operator: caller, ...scope };
    return this.#openFor(caller, requestId, deadline);
  }

  /** For the isolation audit, inside this process: its own tenants and no other. Throws as `open`. */
  async openProbe(caller: VerifiedTenantCaller, requestId: RequestId, deadline: Deadline): Promise<TenantRequest> {
    if (!isProbeTenant(caller.tenantId)) throw forbidden("An audit speaks for its own tenants alone");
    return this.#openFor(caller, requestId, deadline);
  }

  async #openFor(caller: VerifiedTenantCaller, requestId: RequestId, deadline: Deadline): Promise<TenantRequest> {
    const tenant = await this.#openTenant(caller, requestId);
    return { kind: "TENANT", tenant, loaders: new Loaders(this.services.stores, tenant, deadline), ...this.#scope(requestId, deadline) };
  }

  /** For introspection in development: every field of ours is denied to it. */
  openAnonymous(requestId: RequestId, deadline: Deadline): AnonymousRequest {
    return { kind: "ANONYMOUS", ...this.#scope(requestId, deadline) };
  }

  /** Throws when the caller would not be let in now. For streams, which outlive the look at their start. */
  async assertStillServed(caller: VerifiedCaller, requestId: RequestId): Promise<void> {
    if (caller.kind === "TENANT") await this.#openTenant(caller, requestId);
  }

  async #openTenant(caller: VerifiedTenantCaller, requestId: RequestId): Promise<TenantContext> {
    try {
      return openTenantContext(caller, await this.directory.find(caller.tenantId), this.policies, requestId);
    } catch (error) {
      throw error instanceof BulkheadError ? error : serviceUnavailable("The tenant directory cannot be read", 1_000, error);
    }
  }

  #scope(requestId: RequestId, deadline: Deadline): Omit<AnonymousRequest, "kind"> {
    return { requestId, deadline, services: this.services, telemetry: this.telemetry, facts: { codes: [] }, _shield: { cache: {} } };
  }
}
