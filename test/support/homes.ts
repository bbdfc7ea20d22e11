import type { TenantContext } from "../../src/tenancy/tenant-context.js";
import { newId, parseTenantId, type ChunkId, type DocumentId } from "../../src/kernel/ids.js";
import { silentTelemetry, type Telemetry } from "../../src/kernel/telemetry.js";
import { openFence } from "../../src/storage/fence.js";
import { openHome, type HomeOptions, type TenantHome } from "../../src/storage/home.js";
import type { NewChunk, NewDocument, TenantStore } from "../../src/storage/tenant-store.js";
import type { TestDeployment } from "./engine.js";

/** Four dimensions are enough to tell directions apart, and small enough to read in a failure. */
export const testEmbedding = { model: "test-model", dimensions: 4 } as const;

export interface TestHomeOptions {
  readonly suffix: string;
  /** A silo of this tenant; the pool when it is left out. */
  readonly owner?: string;
  readonly serverId?: string;
  readonly telemetry?: Telemetry;
  readonly embedding?: HomeOptions["embedding"];
  readonly client?: HomeOptions["client"];
}

export function homeOptions(deployment: TestDeployment, options: TestHomeOptions): HomeOptions {
  return {
    client: options.client ?? deployment.client,
    database: deployment.database(options.suffix),
    kind: options.owner === undefined ? { kind: "POOL" } : { kind: "SILO", owner: parseTenantId(options.owner) },
    embedding: options.embedding ?? testEmbedding,
    serverId: options.serverId ?? "server-1",
    local: deployment.local,
    telemetry: options.telemetry ?? silentTelemetry,
  };
}

export function openTestHome(deployment: TestDeployment, options: TestHomeOptions): Promise<TenantHome> {
  return openHome(homeOptions(deployment, options));
}

/** A store whose fence is open in the context's epoch. */
export async function openTestStore(home: TenantHome, context: TenantContext): Promise<TenantStore> {
  await openFence(home.database, context.tenantId, context.epoch);
  return home.store(context, context.epoch);
}

export function newDocument(more: Partial<NewDocument> = {}): NewDocument {
  return { id: newId<DocumentId>("document"), title: "Handbook", mediaType: "text/plain", tags: [], raw: Buffer.from("Some text"), ...more };
}

export function newChunk(ordinal: number, vector: readonly number[], more: Partial<NewChunk> = {}): NewChunk {
  return {
    id: newId<ChunkId>("chunk"),
    ordinal,
    text: `Passage ${ordinal}`,
    headings: ["Chapter"],
    vector: Float32Array.from(vector),
    terms: ["passag", `term${ordinal}`],
    termCounts: [1, 1],
    length: 2,
    ...more,
  };
}

/** Polls, because Atlas indexes with a delay. Fails when the version is still not found after 20 s. */
export async function untilSearchable(store: TenantStore, id: DocumentId, version: number): Promise<void> {
  const endsAt = performance.now() + 20_000;
  while (!(await store.chunks.isSearchable(id, version))) {
    if (performance.now() > endsAt) throw new Error(`Version ${version} of ${id} did not become searchable within 20 s`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
