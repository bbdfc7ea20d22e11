import { newId, type RequestId } from "./kernel/ids.js";
import { pageSizeMax } from "./kernel/page.js";
import type { Telemetry } from "./kernel/telemetry.js";
import type { AdapterTraining } from "./orchestrator/adapters/adapter-training.js";
import type { IngestionQueue } from "./orchestrator/ingestion-queue.js";
import type { TenantAdministration } from "./provisioning/tenant-administration.js";
import { withdrawOldVectors } from "./orchestrator/withdraw-old-vectors.js";
import type { TenantRouter } from "./routing/tenant-router.js";
import type { EmbeddingModelRef } from "./storage/tenant-store.js";
import type { ControlPlane } from "./storage/control/control-plane.js";
import type { TenantRecord } from "./tenancy/tenant-record.js";
import { openJobContext } from "./tenancy/tenant-context.js";
import type { TierPolicies } from "./tenancy/tier-policy.js";

export interface ResumeTools {
  readonly control: Pick<ControlPlane, "directory">;
  readonly administration: Pick<TenantAdministration, "sendHome">;
  readonly policies: TierPolicies;
  readonly ingestion: IngestionQueue;
  readonly adapters: Pick<AdapterTraining, "resume">;
  readonly router: Pick<TenantRouter, "read" | "write">;
  /** What the server embeds with now: a tenant with older vectors is embedded again. */
  readonly embedding: EmbeddingModelRef;
  readonly telemetry: Telemetry;
}

export type TenantResumeTools = Omit<ResumeTools, "control" | "administration">;

/** Takes up, tenant by tenant and in the background, what the last stop left unfinished: documents, and moves that were not begun. */
export function resumeWork(tools: ResumeTools): void {
  resumeAll(tools).catch((error: unknown) => tools.telemetry.log("error", "Unfinished work was not resumed", { error: String(error) }));
}

/** The same for one tenant, in the background. */
export function resumeTenant(tools: TenantResumeTools, record: TenantRecord): void {
  void resumeOne(tools, record);
}

/** Never rejects: one silo that cannot be reached must not keep the other tenants' documents waiting. */
async function resumeOne({ policies, ingestion, adapters, router, embedding, telemetry }: TenantResumeTools, record: TenantRecord): Promise<void> {
  try {
    const context = openJobContext(record, policies, newId<RequestId>("request"));
    const withdrawn = await withdrawOldVectors(router, context, embedding);
    if (withdrawn > 0) telemetry.log("warn", "The embedding model has changed: documents are embedded again", { tenantId: record.id, documents: withdrawn, model: embedding.model });
    await ingestion.resume(context);
    await adapters.resume(context);
  } catch (error) {
    telemetry.log("warn", "Unfinished documents or adapters of a tenant were not resumed", { tenantId: record.id, error: String(error) });
  }
}

/** Never rejects. A server may have died between changing a tenant's tier and beginning its move. */
async function sendHome({ administration, telemetry }: ResumeTools, record: TenantRecord): Promise<void> {
  try {
    await administration.sendHome(record.id);
  } catch (error) {
    telemetry.log("warn", "A tenant away from its tier's home could not be sent there", { tenantId: record.id, error: String(error) });
  }
}

async function resumeAll(tools: ResumeTools): Promise<void> {
  for await (const record of activeTenants(tools.control.directory)) {
    await sendHome(tools, record);
    await resumeOne(tools, record);
  }
}

/** All tenants that are served, a page at a time. */
export async function* activeTenants(directory: ControlPlane["directory"]): AsyncGenerator<TenantRecord> {
  let after: string | undefined;
  do {
    const page = await directory.page({ first: pageSizeMax, ...(after === undefined ? {} : { after }) }, { states: ["ACTIVE"] });
    for (const { item } of page.items) yield item;
    after = page.hasNextPage ? page.items.at(-1)?.cursor : undefined;
  } while (after !== undefined);
}
