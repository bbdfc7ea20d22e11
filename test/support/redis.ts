/** A Redis for one suite: the one of `REDIS_TEST_URL`, or a `redis-server` of this machine on a free port, or none. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { Redis } from "ioredis";

export interface TestRedis {
  readonly url: string;
  stop(): Promise<void>;
}

const startMsMax = 5_000;

export async function startTestRedis(): Promise<TestRedis | undefined> {
  const given = process.env["REDIS_TEST_URL"];
  if (given !== undefined) return { url: given, stop: async () => {} };
  const port = await freePort();
  const child = spawn("redis-server", ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"], { stdio: "ignore" });
  // Where there is none, spawning fails by an event and not by throwing.
  const started = await Promise.race([once(child, "spawn").then(() => true), once(child, "error").then(() => false)]);
  if (!started) return undefined;
  const url = `redis://127.0.0.1:${port}`;
  await untilReady(url);
  return {
    url,
    stop: async () => {
      child.kill();
      await once(child, "exit");
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function untilReady(url: string): Promise<void> {
  const redis = new Redis(url, { maxRetriesPerRequest: null, retryStrategy: (times) => (times * 50 < startMsMax ? 50 : null) });
  redis.on("error", () => {});
  try {
    await redis.ping();
  } finally {
    redis.disconnect();
  }
}
