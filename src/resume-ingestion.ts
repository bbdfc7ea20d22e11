import { newId, type RequestId } from "./kernel/ids.js";
import { pageSizeMax } from "./kernel/page.js";
import type { Telemetry } from "./kernel/telemetry.js";
import type { IngestionQueue } from "./orchestrator/ingestion-queue.js";
import type { ControlPlane } from "./storage/control/control-plane.js";
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

async function resumeAll({ control, policies, ingestion, telemetry }: ResumeTools): Promise<void> {
  let after: string | undefined;
  do {
    const page = await control.directory.page({ first: pageSizeMax, ...(after === undefined ? {} : { after }) }, { states: ["ACTIVE"] });
    for (const { item } of page.items) {
      try {
        await ingestion.resume(openJobContext(item, policies, newId<RequestId>("request")));
      } catch (error) {
        // One silo that cannot be reached must not keep the other tenants' documents waiting.
        telemetry.log("warn", "Unfinished documents of a tenant were not resumed", { tenantId: item.id, error: String(error) });
      }
    }
    after = page.hasNextPage ? page.items.at(-1)?.cursor : undefined;
  } while (after !== undefined);
}
