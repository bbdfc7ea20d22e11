import { readFile, readdir } from "node:fs/promises";
import { extname, join } from "node:path";
import { z } from "zod";
import { Deadline } from "./kernel/deadline.js";
import { BulkheadError, internal } from "./kernel/errors.js";
import { newId, parseTenantId, type RequestId, type TenantId } from "./kernel/ids.js";
import type { IngestDocument } from "./orchestrator/ingest-document.js";
import type { IngestionQueue } from "./orchestrator/ingestion-queue.js";
import type { TenantAdministration } from "./provisioning/tenant-administration.js";
import type { TenantRouter } from "./routing/tenant-router.js";
import type { MarkerStore } from "./storage/control/control-plane.js";
import type { MediaType } from "./storage/tenant-store.js";
import { openJobContext, type TenantContext } from "./tenancy/tenant-context.js";
import type { CachedTenantDirectory } from "./tenancy/tenant-directory.js";
import type { Tier, TierPolicies } from "./tenancy/tier-policy.js";

export interface DemoTenant {
  readonly id: TenantId;
  readonly name: string;
  readonly tier: Tier;
}

export interface DemoTools {
  /** The repository's `tenants/` folder. */
  readonly folder: string;
  readonly administration: TenantAdministration;
  readonly directory: CachedTenantDirectory;
  readonly policies: TierPolicies;
  readonly router: TenantRouter;
  readonly ingest: IngestDocument;
  readonly ingestion: IngestionQueue;
  readonly markers: MarkerStore;
  readonly onProgress: (line: string) => void;
}

const listSchema = z.array(z.strictObject({ id: z.string(), name: z.string(), tier: z.enum(["FREE", "PRO", "ENTERPRISE"]), documents: z.string() }));

const mediaTypes: Readonly<Record<string, MediaType>> = { ".md": "text/markdown", ".html": "text/html", ".txt": "text/plain", ".pdf": "application/pdf" };

/** One document at a time is accepted within this; the work behind it has no deadline of its own. */
const acceptMsMax = 30_000;
const placementMsMax = 30_000;

export async function readDemoTenants(folder: string): Promise<readonly (DemoTenant & { readonly documents: string })[]> {
  const list = listSchema.parse(JSON.parse(await readFile(join(folder, "tenants.json"), "utf8")));
  return list.map((tenant) => ({ ...tenant, id: parseTenantId(tenant.id) }));
}

/**
 * Onboards the demo tenants that were never onboarded here and ingests their documents. What a
 * crash cut short is taken up at the next start; what a person deleted later does not come back.
 */
export async function onboardDemoTenants(tools: DemoTools): Promise<void> {
  for (const tenant of await readDemoTenants(tools.folder)) {
    const marker = `demo tenant ${tenant.id}`;
    if (await tools.markers.has(marker)) continue;
    tools.onProgress(`Onboarding ${tenant.name} (${tenant.tier}) …`);
    const context = await onboard(tools, tenant);
    if (context !== undefined) await ingestFolder(tools, context, tenant.name, join(tools.folder, tenant.documents, "documents"));
    await tools.markers.set(marker);
  }
}

/** Undefined for a tenant that an earlier start made and an operator has suspended or erased since: it is left as it is. */
async function onboard(tools: DemoTools, tenant: DemoTenant): Promise<TenantContext | undefined> {
  try {
    await tools.administration.create(tenant);
  } catch (error) {
    if (!(error instanceof BulkheadError) || error.code !== "CONFLICT") throw error;
    // An earlier start made it, and may have been killed before it began the move.
    await tools.administration.sendHome(tenant.id);
  }
  const until = performance.now() + placementMsMax;
  for (;;) {
    const record = await tools.directory.findFresh(tenant.id);
    if (record === undefined) throw internal(`The demo tenant ${tenant.id} is missing from the directory`);
    if (record.state !== "ACTIVE") return undefined;
    const wanted = record.placementOverride ?? tools.policies[record.tier].placement;
    const settled = record.placement.kind === "SETTLED" && record.placement.home.kind === wanted;
    if (settled || performance.now() > until) return openJobContext(record, tools.policies, newId<RequestId>("request"));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function ingestFolder(tools: DemoTools, context: TenantContext, name: string, folder: string): Promise<void> {
  const files = (await readdir(folder)).filter((file) => mediaTypes[extname(file)] !== undefined).toSorted();
  const present = await titlesOf(tools, context);
  for (const file of files.filter((candidate) => !present.has(titleOf(candidate)))) {
    const deadline = Deadline.after(acceptMsMax);
    try {
      const content = await readFile(join(folder, file));
      await tools.ingest.accept(context, deadline, { title: titleOf(file), content, mediaType: mediaTypes[extname(file)] ?? "text/plain", tags: ["demo"] });
    } finally {
      deadline.dispose();
    }
  }
  await untilIngested(tools, context, name);
}

async function untilIngested(tools: DemoTools, context: TenantContext, name: string): Promise<void> {
  let shown = -1;
  const report = async (): Promise<void> => {
    const states = await statesOf(tools, context);
    const done = states.filter((state) => state === "READY" || state === "FAILED").length;
    if (done !== shown) tools.onProgress(`Ingesting ${name}: ${done} of ${states.length} documents`);
    shown = done;
  };
  const timer = setInterval(() => void report().catch(() => clearInterval(timer)), 400);
  await tools.ingestion.idle();
  clearInterval(timer);
  await report();
}

async function statesOf(tools: DemoTools, context: TenantContext): Promise<readonly string[]> {
  return (await allDocuments(tools, context)).map((document) => document.state);
}

async function titlesOf(tools: DemoTools, context: TenantContext): Promise<ReadonlySet<string>> {
  return new Set((await allDocuments(tools, context)).map((document) => document.title));
}

async function allDocuments(tools: DemoTools, context: TenantContext): Promise<readonly { title: string; state: string }[]> {
  const deadline = Deadline.after(acceptMsMax);
  try {
    const page = await tools.router.read(context, deadline, (store) => store.documents.page({ first: 100 }, {}));
    return page.items.map(({ item }) => item);
  } finally {
    deadline.dispose();
  }
}

/** `incident-report-2026-03.md` becomes "Incident report 2026 03". */
function titleOf(file: string): string {
  const words = file.slice(0, -extname(file).length).replaceAll(/[-_]+/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
