import { newId, type RequestId } from "./kernel/ids.js";
import { pageSizeMax } from "./kernel/page.js";
import type { Telemetry } from "./kernel/telemetry.js";
import type { IngestionQueue } from "./orchestrator/ingestion-queue.js";
import type { ControlPlane } from "./storage/control/control-plane.js";
import type { TenantRecord } from "./tenancy/tenant-record.js";
import { openJobContext } from "./tenancy/tenant-context.js";
import type { TierPolicies } from "./tenancy/tier-policy.js";

export interface ResumeTools {
  readonly control: ControlPlane;
  readonly policies: TierPolicies;
  readonly ingestion: IngestionQueue;
  readonly telemetry: Telemetry;
}

/** Takes up, tenant by tenant and in the background, the documents that the last stop left unfinished. */
export function resumeIngestion(tools: ResumeTools): void {
  resumeAll(tools).catch((error: unknown) => tools.telemetry.log("error", "Unfinished documents were not resumed", { error: String(error) }));
}

/** The same for one tenant, in the background. */
export function resumeTenant(tools: Omit<ResumeTools, "control">, record: TenantRecord): void {
  void resumeOne(tools, record);
}

/** Never rejects: one silo that cannot be reached must not keep the other tenants' documents waiting. */
async function resumeOne({ policies, ingestion, telemetry }: Omit<ResumeTools, "control">, record: TenantRecord): Promise<void> {
  try {
    await ingestion.resume(openJobContext(record, policies, newId<RequestId>("request")));
  } catch (error) {
    telemetry.log("warn", "Unfinished documents of a tenant were not resumed", { tenantId: record.id, error: String(error) });
  }
}

async function resumeAll(tools: ResumeTools): Promise<void> {
  let after: string | undefined;
  do {
    const page = await tools.control.directory.page({ first: pageSizeMax, ...(after === undefined ? {} : { after }) }, { states: ["ACTIVE"] });
    for (const { item } of page.items) await resumeOne(tools, item);
    after = page.hasNextPage ? page.items.at(-1)?.cursor : undefined;
  } while (after !== undefined);
}
