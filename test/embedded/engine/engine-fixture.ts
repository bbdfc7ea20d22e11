import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MongoClient, type MongoClientOptions } from "mongodb";
import { startEngine, type StartEngineOptions } from "../../../src/embedded/start-engine.js";

export interface EngineFixture {
  uri: string;
  client: MongoClient;
  events: string[];
  stop(): Promise<void>;
}

/** A fresh engine on a socket of its own with the official driver connected; writes are not flushed, for speed. */
export async function engineFixture(options: Partial<StartEngineOptions> = {}, clientOptions: MongoClientOptions = {}): Promise<EngineFixture> {
  const dir = await mkdtemp(join(tmpdir(), "engine-"));
  const events: string[] = [];
  const engine = await startEngine({
    dir,
    listen: { socketPath: join(dir, "engine.sock") },
    durable: false,
    onEvent: ({ level, message }) => events.push(`${level}: ${message}`),
    ...options,
  });
  const client = new MongoClient(engine.uri, clientOptions);
  const stop = async (): Promise<void> => {
    await client.close();
    await engine.close();
    await rm(dir, { recursive: true, force: true });
  };
  return { uri: engine.uri, client, events, stop };
}

/** The error of a promise that must fail; a promise that holds fails the test. */
export async function errorOf(promise: Promise<unknown>): Promise<{ code?: number; message: string; errorLabels?: string[] } & Record<string, unknown>> {
  try {
    await promise;
  } catch (error) {
    return error as { message: string } & Record<string, unknown>;
  }
  throw new Error("Got a result, expected an error");
}
