import type { Telemetry } from "../../kernel/telemetry.js";
import type { KeyVault } from "../control/control-plane.js";
import type { OnProgress } from "../declare-collections.js";
import { openHome, type TenantHome } from "../home.js";
import type { EmbeddingModelRef } from "../tenant-store.js";
import type { Cluster } from "./cluster.js";
import { connectHome } from "./connect-home.js";
import { passwordOf } from "./password-of.js";

export interface PoolOptions {
  readonly cluster: Cluster;
  readonly vault: Pick<KeyVault, "ensure">;
  readonly databasePrefix: string;
  readonly embedding: EmbeddingModelRef;
  readonly serverId: string;
  readonly telemetry: Telemetry;
  readonly onProgress: OnProgress;
}

const connectionsMax = 64;

/** Opens the pool with a client of its own, as a user that can reach no silo and not the control plane. */
export async function openPool({ cluster, vault, databasePrefix, embedding, serverId, telemetry, onProgress }: PoolOptions): Promise<TenantHome> {
  const database = `${databasePrefix}_pool`;
  const password = async (): Promise<string> => passwordOf(await vault.ensure("_platform", "pool-password"));
  const client = await connectHome(cluster, { database, password, maxPoolSize: connectionsMax, appName: "bulkhead-pool" });
  try {
    const declareWith = (await cluster.admin()).db(database);
    return await openHome({ client, database, declareWith, kind: { kind: "POOL" }, embedding, serverId, local: cluster.local, telemetry, onProgress });
  } catch (error) {
    await client.close();
    throw error;
  }
}
