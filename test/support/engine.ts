import { MongoClient } from "mongodb";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEngine } from "../../src/embedded/start-engine.js";
import { silentTelemetry, type Telemetry } from "../../src/kernel/telemetry.js";
import { connectMongo } from "../../src/storage/mongo-connection.js";

/** A deployment for one suite: `MONGODB_TEST_URI` when it is set, an embedded engine in a temporary folder otherwise. */
export interface TestDeployment {
  readonly uri: string;
  /** True for the embedded engine. */
  readonly local: boolean;
  readonly client: MongoClient;
  /** A database name of this suite alone. */
  database(suffix: string): string;
  /** One more client, for a second server. Closed with the deployment. */
  connect(telemetry?: Telemetry): Promise<MongoClient>;
  close(): Promise<void>;
}

export interface TestDeploymentOptions {
  /** Embedded engine only: how long until vector search sees what was written, in milliseconds. */
  readonly searchIndexDelayMs?: number;
}

export async function startTestDeployment(options: TestDeploymentOptions = {}): Promise<TestDeployment> {
  const given = process.env["MONGODB_TEST_URI"];
  const engine = given === undefined ? await startTemporaryEngine(options) : undefined;
  const uri = engine?.uri ?? given ?? "";
  const clients: MongoClient[] = [];
  const databases = new Set<string>();
  // Short: Atlas allows 38 bytes for a name on its small clusters.
  const prefix = `t${randomBytes(4).toString("hex")}_`;
  const connect = async (telemetry: Telemetry = silentTelemetry): Promise<MongoClient> => {
    const client = await connectMongo({ uri, local: engine !== undefined, appName: "bulkhead-test", maxPoolSize: 20, telemetry });
    clients.push(client);
    return client;
  };
  const client = await connect();
  return {
    uri,
    local: engine !== undefined,
    client,
    connect,
    database: (suffix) => {
      databases.add(`${prefix}${suffix}`);
      return `${prefix}${suffix}`;
    },
    close: async () => {
      if (engine === undefined) for (const name of databases) await client.db(name).dropDatabase();
      await Promise.all(clients.map((open) => open.close()));
      await engine?.close();
    },
  };
}

async function startTemporaryEngine(options: TestDeploymentOptions): Promise<{ uri: string; close(): Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), "bulkhead-test-"));
  const engine = await startEngine({
    dir,
    listen: { socketPath: join(dir, "engine.sock") },
    durable: false,
    ...(options.searchIndexDelayMs === undefined ? {} : { searchIndexDelayMs: options.searchIndexDelayMs }),
  });
  return {
    uri: engine.uri,
    close: async () => {
      await engine.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
