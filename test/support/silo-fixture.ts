/** One server's way to its homes, on an engine that asks everyone for a password; several servers of one engine share what is stored. */
import { MongoClient } from "mongodb";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEngine } from "../../src/embedded/start-engine.js";
import { parseTenantId } from "../../src/kernel/ids.js";
import type { ControlPlane } from "../../src/storage/control/control-plane.js";
import { openControlPlane } from "../../src/storage/control/open-control-plane.js";
import { unlockVault } from "../../src/storage/control/unlock-vault.js";
import { declareCollections } from "../../src/storage/declare-collections.js";
import type { TenantHome } from "../../src/storage/home.js";
import { connectMongo, type MongoLogin } from "../../src/storage/mongo-connection.js";
import { openSiloSealer } from "../../src/storage/sealing/silo-sealer.js";
import { closeClientOf, ClusterSilos, type ClusterSilosOptions } from "../../src/storage/silos/cluster-silos.js";
import type { Clusters } from "../../src/storage/silos/clusters.js";
import { gatherClusters } from "../../src/storage/silos/gather-clusters.js";
import { openPool } from "../../src/storage/silos/open-pool.js";
import type { ClusterAddress } from "../../src/storage/silos/parse-cluster-uris.js";
import { testEmbedding } from "./homes.js";
import { recordingTelemetry, type RecordingTelemetry } from "./tenants.js";

export const rootLogin = { username: "root", password: "a-password-of-tests" } as const;
export const prefix = "bh";
const wrapping = { current: Buffer.alloc(32, 7) };

export interface GuardedEngine {
  readonly uri: string;
  /** As root. */
  readonly root: MongoClient;
  close(): Promise<void>;
}

export async function startGuardedEngine(options: { guarded?: boolean; tcp?: boolean; transactionLifetimeMs?: number } = {}): Promise<GuardedEngine> {
  const dir = await mkdtemp(join(tmpdir(), "bulkhead-silos-"));
  const guarded = options.guarded ?? true;
  const engine = await startEngine({
    dir, listen: options.tcp ? { host: "127.0.0.1", port: 0 } : { socketPath: join(dir, "engine.sock") }, durable: false,
    ...(guarded ? { users: { root: { user: rootLogin.username, password: rootLogin.password } } } : {}),
    ...(options.transactionLifetimeMs === undefined ? {} : { transactionLifetimeMs: options.transactionLifetimeMs }),
  });
  const root = await connectMongo({ uri: engine.uri, local: true, appName: "test-root", maxPoolSize: 5, telemetry: recordingTelemetry(), ...(guarded ? { login: rootLogin } : {}) });
  return {
    uri: engine.uri,
    root,
    close: async () => {
      await root.close();
      await engine.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

export interface SiloServerOptions {
  readonly login?: MongoLogin | undefined;
  readonly named?: readonly ClusterAddress[];
  readonly waitMsMax?: number;
  readonly sealerOf?: ClusterSilosOptions["sealerOf"];
  /** In place of what `named` gathers. */
  readonly clusters?: (telemetry: RecordingTelemetry) => Clusters;
}

export class SiloServer {
  readonly #opened: TenantHome[] = [];

  private constructor(readonly control: ControlPlane, readonly clusters: Clusters, readonly silos: ClusterSilos, readonly telemetry: RecordingTelemetry) {}

  static async start(uri: string, options: SiloServerOptions = {}): Promise<SiloServer> {
    const telemetry = recordingTelemetry();
    const login = "login" in options ? options.login : rootLogin;
    const clusters = options.clusters?.(telemetry) ?? gatherClusters({ main: { uri, ...(login === undefined ? {} : { login }) }, embedded: true, named: options.named ?? [], waitMsMax: options.waitMsMax ?? 5_000 }, telemetry);
    const client = await clusters.main.admin();
    const db = client.db(`${prefix}_control`);
    await declareCollections(db, "CONTROL", "POOL", testEmbedding);
    await unlockVault(db, wrapping);
    const control = openControlPlane(client, db, wrapping);
    const { vault } = control;
    const silos = new ClusterSilos({
      clusters, vault, control: db, databasePrefix: prefix, embedding: testEmbedding, serverId: "server-1", telemetry,
      sealerOf: options.sealerOf ?? ((tenantId, { database }) => openSiloSealer({ tenantId, database, vault, telemetry })),
    });
    return new SiloServer(control, clusters, silos, telemetry);
  }

  async pool(): Promise<TenantHome> {
    const home = await openPool({ cluster: this.clusters.main, vault: this.control.vault, databasePrefix: prefix, embedding: testEmbedding, serverId: "server-1", telemetry: this.telemetry, onProgress: () => {} });
    this.#opened.push(home);
    return home;
  }

  async silo(tenant: string, epoch = 2, cluster?: string): Promise<TenantHome> {
    const id = parseTenantId(tenant);
    const home = await this.silos.place(id, epoch, cluster);
    await this.silos.prepare(id, home);
    const opened = await this.silos.open(home);
    this.#opened.push(opened);
    return opened;
  }

  async close(): Promise<void> {
    await Promise.all(this.#opened.map(closeClientOf));
    await this.clusters.close();
  }
}

/** All that a silo could have left behind on an engine and in the vault. */
export async function tracesOf(root: MongoClient, control: ControlPlane, tenant: string): Promise<readonly string[]> {
  const name = `${prefix}_${tenant}_`;
  const { databases } = await root.db("admin").admin().listDatabases({ nameOnly: true });
  const { users } = await root.db("admin").command({ usersInfo: 1 });
  const secrets = await control.vault.names(parseTenantId(tenant));
  return [
    ...databases.filter((found) => found.name.startsWith(name)).map((found) => `database ${found.name}`),
    ...(users as { user: string }[]).filter((found) => found.user.startsWith(name)).map((found) => `user ${found.user}`),
    ...secrets.map((secret) => `secret ${secret}`),
  ];
}
