/** Opens the database: the one given by `MONGODB_URI`, or the embedded engine inside this process. */
import { access, constants, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Closers } from "./closers.js";
import type { Config } from "./config.js";
import { startEngine } from "./embedded/start-engine.js";
import { badUserInput } from "./kernel/errors.js";
import { parseTenantId, type TenantId } from "./kernel/ids.js";
import { LeasedCache } from "./kernel/leased-cache.js";
import type { Telemetry } from "./kernel/telemetry.js";
import { homeOfKey } from "./routing/home-key.js";
import { serverIdOf } from "./server-id.js";
import { checkDeployment } from "./storage/check-deployment.js";
import type { ControlPlane } from "./storage/control/control-plane.js";
import { openControlPlane } from "./storage/control/open-control-plane.js";
import { declareCollections } from "./storage/declare-collections.js";
import { openHome, type TenantHome } from "./storage/home.js";
import { connectMongo } from "./storage/mongo-connection.js";
import type { EmbeddingModelRef } from "./storage/tenant-store.js";

export interface Database {
  readonly control: ControlPlane;
  readonly homes: LeasedCache<TenantHome>;
}

export interface DatabaseOptions {
  readonly onProgress: (line: string) => void;
  readonly searchIndexDelayMs?: number;
}

/** Silos open at once. Each has its own client, so that one tenant's load does not take another's connections. */
const openHomesMax = 200;
const poolConnectionsMax = 64;
const siloConnectionsMax = 16;

/** Longest path of a unix socket on every system: macOS allows 104 bytes with the closing zero. */
const socketPathBytesMax = 100;

export async function openDatabase(config: Config, embedding: EmbeddingModelRef, telemetry: Telemetry, closers: Closers, options: DatabaseOptions): Promise<Database> {
  await makeDataDir(config.dataDir);
  const local = config.mongodb.uri === undefined;
  const uri = config.mongodb.uri ?? (await openEngine(config, telemetry, closers, options));
  const connect = (maxPoolSize: number, appName: string) => connectMongo({ uri, local, appName, maxPoolSize, telemetry });
  const client = await connect(poolConnectionsMax, "bulkhead");
  closers.add("database client", () => client.close());
  if (!local) await checkDeployment(client);

  const { databasePrefix } = config.mongodb;
  const controlDb = client.db(`${databasePrefix}_control`);
  await declareCollections(controlDb, "CONTROL", "POOL", embedding, options.onProgress);
  const serverId = await serverIdOf(config.dataDir);
  const shared = { embedding: { model: embedding.model, dimensions: embedding.dimensions }, serverId, local, telemetry };

  const open = async (key: string): Promise<TenantHome> => {
    const home = homeOfKey(key);
    if (home.kind === "POOL") return openHome({ ...shared, client, database: `${databasePrefix}_pool`, kind: { kind: "POOL" }, onProgress: options.onProgress });
    const siloClient = await connect(siloConnectionsMax, "bulkhead-silo");
    try {
      return await openHome({ ...shared, client: siloClient, database: home.database, kind: { kind: "SILO", owner: ownerOf(home.database, databasePrefix) } });
    } catch (error) {
      await siloClient.close();
      throw error;
    }
  };
  const homes = new LeasedCache<TenantHome>(openHomesMax, open, closeHome, (error) => telemetry.log("warn", "A home was not closed", { error: String(error) }));
  closers.add("homes", () => homes.close());
  (await homes.lease("POOL")).release();
  return { control: openControlPlane(client, controlDb), homes };
}

/** A silo's client is its own, the pool's is the control plane's. */
async function closeHome(home: TenantHome): Promise<void> {
  await home.close();
  if (home.kind === "SILO") await home.database.client.close();
}

async function openEngine(config: Config, telemetry: Telemetry, closers: Closers, options: DatabaseOptions): Promise<string> {
  const socketPath = await socketPathIn(config.dataDir, closers);
  const engine = await startEngine({
    dir: join(config.dataDir, "engine"),
    listen: { socketPath },
    onEvent: ({ level, message }) => telemetry.log(level, message),
    ...(options.searchIndexDelayMs === undefined ? {} : { searchIndexDelayMs: options.searchIndexDelayMs }),
  });
  closers.add("embedded engine", () => engine.close());
  return engine.uri;
}

/** Beside the data where the path is short enough. The folder is its owner's alone: the socket asks for no password. */
async function socketPathIn(dataDir: string, closers: Closers): Promise<string> {
  const beside = join(dataDir, "engine.sock");
  if (Buffer.byteLength(beside) <= socketPathBytesMax) return beside;
  const folder = await mkdtemp(join(tmpdir(), "bulkhead-"));
  closers.add("socket folder", () => rm(folder, { recursive: true, force: true }));
  return join(folder, "engine.sock");
}

async function makeDataDir(dataDir: string): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    await access(dataDir, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw badUserInput("DATA_DIR", `${JSON.stringify(dataDir)} (${(error as NodeJS.ErrnoException).code ?? "unknown"})`, "a folder this user can write to");
  }
}

/** A silo's name is prefix, tenant and epoch between underscores, none of which contains one. */
function ownerOf(database: string, prefix: string): TenantId {
  const [head, tenant, epoch, ...more] = database.split("_");
  if (head !== prefix || epoch === undefined || more.length > 0) throw badUserInput("MONGODB_DATABASE", JSON.stringify(prefix), `the prefix that the silo ${database} was made with`);
  return parseTenantId(tenant);
}
