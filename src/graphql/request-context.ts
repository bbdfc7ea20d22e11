import type { Deadline } from "../kernel/deadline.js";
import { forbidden, unauthenticated } from "../kernel/errors.js";
import type { RequestId } from "../kernel/ids.js";
import type { Telemetry } from "../kernel/telemetry.js";
import type { TenantContext } from "../tenancy/tenant-context.js";
import type { VerifiedOperator } from "../tenancy/verified-caller.js";
import type { Loaders } from "./loaders.js";
import type { RequestFacts } from "./request-facts.js";
import type { Services } from "./services.js";

interface OperationScope {
  readonly requestId: RequestId;
  readonly deadline: Deadline;
  readonly services: Services;
  readonly telemetry: Telemetry;
  /** For the request's line in the log. Left out: nobody writes one. */
  readonly facts?: RequestFacts;
  /** Where graphql-shield would keep rule results. Ours are `no_cache`, so it stays empty; it must exist because shield writes it onto contexts that lack it. */
  readonly _shield: { cache: Record<string, never> };
}

export interface TenantRequest extends OperationScope {
  readonly kind: "TENANT";
  readonly tenant: TenantContext;
  readonly loaders: Loaders;
}

export interface OperatorRequest extends OperationScope {
  readonly kind: "OPERATOR";
  readonly operator: VerifiedOperator;
}

/** A caller without a token: may introspect in development, nothing else. */
export interface AnonymousRequest extends OperationScope {
  readonly kind: "ANONYMOUS";
}

/** What every resolver receives. Made once an operation by the gateway. */
export type RequestContext = TenantRequest | OperatorRequest | AnonymousRequest;

/** For resolvers of a tenant's fields. The rules have decided already; this is for the compiler, and fails closed. */
export function asTenant(context: RequestContext): TenantRequest {
  if (context.kind === "TENANT") return context;
  throw context.kind === "ANONYMOUS" ? unauthenticated() : forbidden();
}

export function asOperator(context: RequestContext): OperatorRequest {
  if (context.kind === "OPERATOR") return context;
  throw context.kind === "ANONYMOUS" ? unauthenticated() : forbidden();
}
