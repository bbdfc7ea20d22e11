import { newId, type RequestId } from "../../kernel/ids.js";
import { openJobContext, type TenantContext } from "../../tenancy/tenant-context.js";
import type { TenantRecord } from "../../tenancy/tenant-record.js";
import type { EraseTools } from "./erase-run.js";

/** Of a tenant that is not served any more. Only to look: every write of its stores fails on the fence. */
export function lookingContext({ policies }: Pick<EraseTools, "policies">, record: TenantRecord): TenantContext {
  const served: TenantRecord = { ...record, state: "ACTIVE", placement: { kind: "SETTLED", home: { kind: "POOL" }, epoch: record.placement.epoch } };
  return openJobContext(served, policies, newId<RequestId>("request"));
}
