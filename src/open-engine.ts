import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Closers } from "./closers.js";
import { startEngine } from "./embedded/start-engine.js";
import type { Telemetry } from "./kernel/telemetry.js";
import { deriveKey } from "./master-key.js";
import type { MongoLogin } from "./storage/mongo-connection.js";

export interface OwnEngine {
  readonly uri: string;
  readonly login: MongoLogin;
}

export interface OwnEngineOptions {
  readonly dataDir: string;
  readonly master: Buffer;
  readonly searchIndexDelayMs?: number;
}

/** Longest path of a unix socket on every system: macOS allows 104 bytes with the closing zero. */
const socketPathBytesMax = 100;
const rootUser = "bulkhead-root";

/**
 * The embedded engine inside this process. Its root password is in no file and in no other process:
 * whoever else on this machine reaches the socket is asked for one.
 */
export async function openEngine({ dataDir, master, searchIndexDelayMs }: OwnEngineOptions, telemetry: Telemetry, closers: Closers): Promise<OwnEngine> {
  const socketPath = await socketPathIn(dataDir, closers);
  const password = deriveKey(master, "embedded engine root").toString("base64url");
  const engine = await startEngine({
    dir: join(dataDir, "engine"),
    listen: { socketPath },
    users: { root: { user: rootUser, password } },
    onEvent: ({ level, message }) => telemetry.log(level, message),
    ...(searchIndexDelayMs === undefined ? {} : { searchIndexDelayMs }),
  });
  closers.add("embedded engine", () => engine.close());
  return { uri: engine.uri, login: { username: rootUser, password } };
}

/** Beside the data where the path is short enough, in a folder that is its owner's alone. */
async function socketPathIn(dataDir: string, closers: Closers): Promise<string> {
  const beside = join(dataDir, "engine.sock");
  if (Buffer.byteLength(beside) <= socketPathBytesMax) return beside;
  const folder = await mkdtemp(join(tmpdir(), "bulkhead-"));
  closers.add("socket folder", () => rm(folder, { recursive: true, force: true }));
  return join(folder, "engine.sock");
}
