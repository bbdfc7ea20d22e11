/** Opens the database: the one given by `MONGODB_URI`, or the embedded engine inside this process, and the clusters for silos beside it. */
import { access, constants, mkdir } from "node:fs/promises";
import type { Closers } from "./closers.js";
import type { Config } from "./config.js";
import { badUserInput } from "./kernel/errors.js";
import { LeasedCache } from "./kernel/leased-cache.js";
import type { Telemetry } from "./kernel/telemetry.js";
import { masterKeyOf, wrappingKeysOf } from "./master-key.js";
import { openEngine } from "./open-engine.js";
import { homeOfKey } from "./routing/home-key.js";
import { serverIdOf } from "./server-id.js";
import type { ControlPlane } from "./storage/control/control-plane.js";
import { openControlPlane } from "./storage/control/open-control-plane.js";
import { unlockVault } from "./storage/control/unlock-vault.js";
import { declareCollections } from "./storage/declare-collections.js";
import type { TenantHome } from "./storage/home.js";
import { isAuthenticationFailure } from "./storage/mongo-connection.js";
import { openSiloSealer } from "./storage/sealing/silo-sealer.js";
import type { SiloProvider } from "./storage/silo-provider.js";
import { closeClientOf, ClusterSilos } from "./storage/silos/cluster-silos.js";
import { gatherClusters } from "./storage/silos/gather-clusters.js";
import { openPool } from "./storage/silos/open-pool.js";
import { strandedTenants } from "./storage/silos/silo-census.js";
import type { EmbeddingModelRef } from "./storage/tenant-store.js";

export interface Database {
  readonly control: ControlPlane;
  readonly homes: LeasedCache<TenantHome>;
  readonly silos: SiloProvider;
}

export interface DatabaseOptions {
  readonly onProgress: (line: string) => void;
  readonly searchIndexDelayMs?: number;
}

/** Silos open at once, each with a client of its own. */
const openHomesMax = 200;
/** Tenants named in one line of the log. */
const strandedMax = 20;

export async function openDatabase(config: Config, embedding: EmbeddingModelRef, telemetry: Telemetry, closers: Closers, options: DatabaseOptions): Promise<Database> {
  await makeDataDir(config.dataDir);
  const master = await masterKeyOf(config);
  const own = config.mongodb.uri === undefined ? await openEngine({ dataDir: config.dataDir, master, ...options }, telemetry, closers) : undefined;
  const clusters = gatherClusters({ main: own ?? { uri: config.mongodb.uri ?? "" }, embedded: own !== undefined, named: config.siloClusters, atlas: config.atlas }, telemetry);
  closers.add("database clients", () => clusters.close());
  const client = await clusters.main.admin().catch(namingTheVariable);

  // The vault holds the pool's password, so the control plane is opened before any home.
  const { databasePrefix } = config.mongodb;
  const controlDb = client.db(`${databasePrefix}_control`);
  await declareCollections(controlDb, "CONTROL", "POOL", embedding, options.onProgress);
  const wrapping = wrappingKeysOf(master, config.masterKeyPrevious);
  await unlockVault(controlDb, wrapping);
  const control = openControlPlane(client, controlDb, wrapping);
  const { vault } = control;

  const shared = { databasePrefix, embedding: { model: embedding.model, dimensions: embedding.dimensions }, serverId: await serverIdOf(config.dataDir), telemetry, vault };
  const silos = new ClusterSilos({ ...shared, clusters, control: controlDb, sealerOf: (tenantId, { database }) => openSiloSealer({ tenantId, database, vault, telemetry }) });
  const open = (key: string): Promise<TenantHome> => {
    const home = homeOfKey(key);
    return home.kind === "POOL" ? openPool({ ...shared, cluster: clusters.main, onProgress: options.onProgress }) : silos.open(home);
  };
  const homes = new LeasedCache<TenantHome>(openHomesMax, open, closeClientOf, (error) => telemetry.log("warn", "A home was not closed", { error: String(error) }));
  closers.add("homes", () => homes.close());
  (await homes.lease("POOL")).release();

  clusters.lookAtNamed();
  // Not refused: the tenants elsewhere have done nothing wrong.
  const stranded = await strandedTenants(controlDb, clusters.names, strandedMax);
  if (stranded.length > 0) telemetry.log("error", "Tenants live on clusters that SILO_CLUSTER_URIS does not name and are not served", { tenants: stranded.join(", ") });
  return { control, homes, silos };
}

function namingTheVariable(error: unknown): never {
  if (isAuthenticationFailure(error)) throw badUserInput("MONGODB_URI", "a user or a password that the deployment does not take", "those of a user that may create databases");
  throw error;
}

async function makeDataDir(dataDir: string): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    await access(dataDir, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw badUserInput("DATA_DIR", `${JSON.stringify(dataDir)} (${(error as NodeJS.ErrnoException).code ?? "unknown"})`, "a folder this user can write to");
  }
}
