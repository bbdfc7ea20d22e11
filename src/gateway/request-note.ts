import type { RequestId } from "../kernel/ids.js";
import type { StageClock } from "../kernel/stage-clock.js";
import type { RequestContext } from "../graphql/request-context.js";
import type { Served } from "../insights/timed-request.js";
import type { VerifiedCaller } from "../tenancy/verified-caller.js";

/** What is known about a request by the time its line is logged. Filled in as the request goes. */
export interface RequestNote {
  readonly requestId: RequestId;
  /** The tenant, or `operator`, once the token has been verified. Never a user. */
  caller?: string;
  readonly clock: StageClock;
  /** Once they have been let in. */
  served?: Served;
  context?: RequestContext;
}

export function servedBy(context: RequestContext): Served | undefined {
  if (context.kind === "TENANT") return { kind: "TENANT", tenantId: context.tenant.tenantId, tier: context.tenant.policy.tier };
  return context.kind === "OPERATOR" ? { kind: "OPERATOR" } : undefined;
}

export function callerName(caller: VerifiedCaller): string {
  return caller.kind === "TENANT" ? caller.tenantId : "operator";
}
