import type { RequestId } from "../kernel/ids.js";
import type { VerifiedCaller } from "../tenancy/verified-caller.js";

/** What is known about a request by the time its line is logged. Filled in as the request goes. */
export interface RequestNote {
  readonly requestId: RequestId;
  /** The tenant, or `operator`, once the token has been verified. Never a user. */
  caller?: string;
}

export function callerName(caller: VerifiedCaller): string {
  return caller.kind === "TENANT" ? caller.tenantId : "operator";
}
