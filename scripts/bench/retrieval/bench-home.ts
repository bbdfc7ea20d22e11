/** An embedded engine of its own in a temporary folder, durable as the product's, with a pool for the benchmark's tenants. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEngine } from "../../../src/embedded/start-engine.js";
import { newId, parseTenantId, type RequestId } from "../../../src/kernel/ids.js";
import { silentTelemetry } from "../../../src/kernel/telemetry.js";
import { openFence } from "../../../src/storage/fence.js";
import { openHome } from "../../../src/storage/home.js";
import { connectMongo } from "../../../src/storage/mongo-connection.js";
import type { EmbeddingModelRef, TenantStore } from "../../../src/storage/tenant-store.js";
import { openJobContext } from "../../../src/tenancy/tenant-context.js";
import { parseTierPolicies } from "../../../src/tenancy/tier-policy.js";

const policies = parseTierPolicies(JSON.parse(readFileSync(new URL("../../../tenants/tiers.json", import.meta.url), "utf8")));

export interface BenchHome {
  /** The tenant's store, open for writes. */
  tenant(name: string): Promise<TenantStore>;
  close(): Promise<void>;
}

export async function openBenchHome(embedding: EmbeddingModelRef): Promise<BenchHome> {
  const dir = mkdtempSync(join(tmpdir(), "bulkhead-bench-"));
  const engine = await startEngine({ dir, listen: { socketPath: join(dir, "engine.sock") } });
  const client = await connectMongo({ uri: engine.uri, local: true, appName: "bench", maxPoolSize: 20, telemetry: silentTelemetry });
  const home = await openHome({ client, database: "bench_retrieval", kind: { kind: "POOL" }, embedding, serverId: "server-1", local: true, telemetry: silentTelemetry });
  return {
    tenant: async (name) => {
      const id = parseTenantId(name);
      await openFence(home.database, id, 1);
      const record = { id, name, tier: "PRO", state: "ACTIVE", placement: { kind: "SETTLED", home: { kind: "POOL" }, epoch: 1 }, createdAt: new Date(), version: 1 } as const;
      return home.store(openJobContext(record, policies, newId<RequestId>("request")), 1);
    },
    close: async () => {
      await home.close();
      await client.close();
      await engine.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
