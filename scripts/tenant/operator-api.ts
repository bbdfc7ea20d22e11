/** The calls an operator's shell makes to a running server, over GraphQL and nothing else. */
import { BulkheadError, errorCatalogue, serviceUnavailable, upstreamFailed, type ErrorCode } from "../../src/kernel/errors.js";
import type { Tier } from "../../src/tenancy/tier-policy.js";

export interface TenantView {
  readonly id: string;
  readonly name: string;
  readonly tier: Tier;
  readonly state: string;
  readonly placement: "POOL" | "MOVING" | "SILO";
  readonly isolation: { readonly credential: "OWN" | "SHARED"; readonly keyVersion: number; readonly cluster: string | null } | null;
  readonly latestMove: MoveView | null;
}

export interface MoveView {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly phase: string;
  readonly copied: number;
  readonly total: number;
  readonly rowsPerSecond: number | null;
  readonly estimatedSecondsLeft: number | null;
  readonly writePauseMs: number | null;
  readonly reverting: boolean;
  readonly failure: string | null;
}

export interface ReceiptView {
  readonly status: "IN_PROGRESS" | "COMPLETE" | "PARTIAL";
  readonly phase: string;
  readonly removed: readonly { readonly store: string; readonly what: string; readonly count: number }[];
  readonly kept: readonly { readonly what: string; readonly why: string }[];
  readonly unreachable: readonly { readonly store: string; readonly reason: string }[];
  readonly verifiedAt: string | null;
}

export interface RotationView {
  readonly finished: boolean;
  readonly keyVersion: number | null;
  readonly rowsResealed: number | null;
}

export interface RerateOrder {
  readonly from: string;
  readonly to: string;
  readonly tenantId?: string;
  readonly dryRun: boolean;
  readonly after?: string;
}

export interface RerateView {
  readonly calls: number;
  readonly corrected: number;
  readonly differenceMicroUsd: number;
  readonly next: string | null;
}

export interface AuditView {
  readonly id: string;
  readonly state: "RUNNING" | "PASSED" | "LEAKED" | "FAILED";
  readonly startedAt: string;
  readonly finishedAt: string | null;
  readonly probes: number;
  readonly leaks: number;
  readonly recall: number | null;
  readonly failure: string | null;
  readonly surfaces: readonly { readonly name: string; readonly probes: number; readonly leaks: number; readonly recall: number | null }[];
  readonly coverage: { readonly fields: number; readonly covered: number; readonly uncovered: readonly string[] };
  readonly findings: readonly { readonly surface: string; readonly operation: string; readonly description: string; readonly at: string }[];
}

interface Answer {
  readonly data?: Readonly<Record<string, unknown>> | null;
  readonly errors?: readonly { readonly message: string; readonly extensions?: { readonly code?: string } }[];
}

const moveFields = "id from to phase copied total rowsPerSecond estimatedSecondsLeft writePauseMs reverting failure";
const auditFields = "id trigger state startedAt finishedAt probes leaks recall failure surfaces { name probes leaks recall } coverage { fields covered uncovered } findings { surface operation description at }";
const receiptFields = "status phase removed { store what count } kept { what why } unreachable { store reason } verifiedAt";
const tenantFields = `id name tier state placement isolation { credential keyVersion cluster } latestMove { ${moveFields} }`;

/** Longer than the server's own deadline of 30 s, so that it is the server that says what was slow. */
const answerMsMax = 40_000;

/** Throws `BulkheadError`s with the server's own code and words, or `SERVICE_UNAVAILABLE` when none answers. */
export class OperatorApi {
  constructor(private readonly url: string, private readonly token: string) {}

  async tenant(id: string): Promise<TenantView> {
    return (await this.#call<{ tenant: TenantView }>(`query ($id: ID!) { tenant(id: $id) { ${tenantFields} } }`, { id })).tenant;
  }

  async create(input: { readonly id: string; readonly name: string; readonly tier: Tier; readonly cluster?: string }): Promise<TenantView> {
    const mutation = `mutation ($input: CreateTenantInput!) { createTenant(input: $input) { tenant { ${tenantFields} } } }`;
    return (await this.#call<{ createTenant: { tenant: TenantView } }>(mutation, { input })).createTenant.tenant;
  }

  async changeTier(tenantId: string, tier: Tier, cluster?: string): Promise<{ readonly tenant: TenantView; readonly placementMove: MoveView | null }> {
    const mutation = `mutation ($input: ChangeTierInput!) { changeTier(input: $input) { tenant { ${tenantFields} } placementMove { ${moveFields} } } }`;
    return (await this.#call<{ changeTier: { tenant: TenantView; placementMove: MoveView | null } }>(mutation, { input: { tenantId, tier, ...(cluster === undefined ? {} : { cluster }) } })).changeTier;
  }

  async suspend(tenantId: string): Promise<TenantView> {
    const mutation = `mutation ($input: TenantInput!) { suspendTenant(input: $input) { tenant { ${tenantFields} } } }`;
    return (await this.#call<{ suspendTenant: { tenant: TenantView } }>(mutation, { input: { tenantId } })).suspendTenant.tenant;
  }

  async reactivate(tenantId: string): Promise<TenantView> {
    const mutation = `mutation ($input: TenantInput!) { reactivateTenant(input: $input) { tenant { ${tenantFields} } } }`;
    return (await this.#call<{ reactivateTenant: { tenant: TenantView } }>(mutation, { input: { tenantId } })).reactivateTenant.tenant;
  }

  async move(id: string): Promise<MoveView> {
    return (await this.#call<{ placementMove: MoveView }>(`query ($id: ID!) { placementMove(id: $id) { ${moveFields} } }`, { id })).placementMove;
  }

  async cancelMove(id: string): Promise<MoveView> {
    const mutation = `mutation ($input: PlacementMoveInput!) { cancelPlacementMove(input: $input) { placementMove { ${moveFields} } } }`;
    return (await this.#call<{ cancelPlacementMove: { placementMove: MoveView } }>(mutation, { input: { id } })).cancelPlacementMove.placementMove;
  }

  async revertMove(id: string): Promise<MoveView> {
    const mutation = `mutation ($input: PlacementMoveInput!) { revertPlacementMove(input: $input) { placementMove { ${moveFields} } } }`;
    return (await this.#call<{ revertPlacementMove: { placementMove: MoveView } }>(mutation, { input: { id } })).revertPlacementMove.placementMove;
  }

  async erase(tenantId: string): Promise<ReceiptView> {
    const mutation = `mutation ($input: TenantInput!) { eraseTenant(input: $input) { receipt { ${receiptFields} } } }`;
    return (await this.#call<{ eraseTenant: { receipt: ReceiptView } }>(mutation, { input: { tenantId } })).eraseTenant.receipt;
  }

  async erasure(tenantId: string): Promise<ReceiptView> {
    return (await this.#call<{ erasure: ReceiptView }>(`query ($id: ID!) { erasure(tenantId: $id) { ${receiptFields} } }`, { id: tenantId })).erasure;
  }

  async rotateKey(tenantId: string): Promise<RotationView> {
    const mutation = "mutation ($input: TenantInput!) { rotateTenantKey(input: $input) { finished keyVersion rowsResealed } }";
    return (await this.#call<{ rotateTenantKey: RotationView }>(mutation, { input: { tenantId } })).rotateTenantKey;
  }

  async rerate(input: RerateOrder): Promise<RerateView> {
    const mutation = "mutation ($input: RerateUsageInput!) { rerateUsage(input: $input) { calls corrected differenceMicroUsd next } }";
    return (await this.#call<{ rerateUsage: RerateView }>(mutation, { input })).rerateUsage;
  }

  async beginAudit(probes: number | undefined): Promise<AuditView> {
    const mutation = `mutation ($input: RunIsolationAuditInput) { runIsolationAudit(input: $input) { report { ${auditFields} } } }`;
    return (await this.#call<{ runIsolationAudit: { report: AuditView } }>(mutation, { input: probes === undefined ? {} : { probes } })).runIsolationAudit.report;
  }

  async auditReport(id: string): Promise<AuditView> {
    return (await this.#call<{ isolationReport: AuditView }>(`query ($id: ID) { isolationReport(id: $id) { ${auditFields} } }`, { id })).isolationReport;
  }

  async #call<Data>(query: string, variables: Readonly<Record<string, unknown>>): Promise<Data> {
    const { status, text } = await this.#post(JSON.stringify({ query, variables }));
    const { data, errors } = this.#parse(status, text);
    const first = errors?.[0];
    if (first !== undefined) throw new BulkheadError(codeOf(first.extensions?.code), first.message);
    if (data === null || data === undefined) throw upstreamFailed(`${this.url} answered with HTTP status ${status} and no data`);
    return data as Data;
  }

  async #post(body: string): Promise<{ status: number; text: string }> {
    try {
      const response = await fetch(`${this.url}/graphql`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${this.token}` },
        // A redirect would carry the operator's token to another place.
        redirect: "error",
        signal: AbortSignal.timeout(answerMsMax),
        body,
      });
      return { status: response.status, text: await response.text() };
    } catch (error) {
      throw serviceUnavailable(`No server answers at ${this.url}: start one with npm start, or name another with --url`, 1_000, error);
    }
  }

  #parse(status: number, text: string): Answer {
    try {
      return JSON.parse(text) as Answer;
    } catch (error) {
      throw upstreamFailed(`${this.url} answered with HTTP status ${status} and no JSON, expected a Bulkhead server`, error);
    }
  }
}

/** A newer server's code is still a failure here. */
function codeOf(code: string | undefined): ErrorCode {
  return code !== undefined && code in errorCatalogue ? (code as ErrorCode) : "INTERNAL";
}
