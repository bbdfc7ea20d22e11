import type { DocumentNode, OperationDefinitionNode } from "graphql";
import type { Refusal } from "../kernel/refusal.js";
import { BulkheadError } from "../kernel/errors.js";
import type { Telemetry } from "../kernel/telemetry.js";
import type { QueryCosts } from "../graphql/query-cost.js";
import { countRootFields } from "../graphql/query-limits.js";
import type { RequestContext, TenantRequest } from "../graphql/request-context.js";
import type { RequestTimings } from "../insights/timed-request.js";
import type { TenantContext } from "../tenancy/tenant-context.js";

export interface RequestsAdmitted {
  readonly kind: "ADMITTED";
  readonly limit: number;
  readonly remaining: number;
  readonly resetsAt: Date;
}

/** Takes the priced requests of one document from the tenant's minute: all of them or none. */
export interface RequestAdmission {
  admitRequests(context: TenantContext, price: number): Promise<RequestsAdmitted | Refusal>;
}

/** The last checks before execution, the same for every transport: what the operation costs, and whether the tenant may ask now. */
export class OperationGate {
  /** A root field's price does not depend on variables, so it is counted once a document. */
  readonly #prices = new WeakMap<OperationDefinitionNode, number>();

  constructor(
    private readonly costs: QueryCosts,
    private readonly admission: RequestAdmission,
    private readonly telemetry: Telemetry,
    private readonly timings: Pick<RequestTimings, "refused">,
  ) {}

  /** Throws `QUERY_TOO_COMPLEX` or `RATE_LIMITED`. Operators are not limited: they have no tenant to charge. */
  async admit(document: DocumentNode, operation: OperationDefinitionNode, variables: Readonly<Record<string, unknown>>, context: RequestContext): Promise<RequestsAdmitted | undefined> {
    this.costs.check(document, operation, variables);
    if (context.kind !== "TENANT") return undefined;
    return this.admitRequests(context, this.#priceOf(document, operation));
  }

  /** All of them or none. Throws `RATE_LIMITED`. */
  async admitRequests({ tenant }: Pick<TenantRequest, "tenant">, price: number): Promise<RequestsAdmitted> {
    const admitted = await this.admission.admitRequests(tenant, price);
    const { tenantId, policy } = tenant;
    this.telemetry.count("tenant_requests_total", { tenant: tenantId, tier: policy.tier, admitted: String(admitted.kind === "ADMITTED") }, price);
    if (admitted.kind === "ADMITTED") return admitted;
    this.timings.refused(tenantId);
    const { code, message, retryAfterMs, limit } = admitted;
    throw new BulkheadError(code, message, { ...(retryAfterMs === undefined ? {} : { retryAfterMs }), ...(limit === undefined ? {} : { limit }) });
  }

  #priceOf(document: DocumentNode, operation: OperationDefinitionNode): number {
    const known = this.#prices.get(operation);
    if (known !== undefined) return known;
    const price = countRootFields(document, operation);
    this.#prices.set(operation, price);
    return price;
  }
}
