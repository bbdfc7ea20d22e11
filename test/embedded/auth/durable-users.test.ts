import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MongoClient } from "mongodb";
import { usersOf } from "../../../scripts/engine-root.js";
import { UserDirectory } from "../../../src/embedded/auth/user-directory.js";
import { Engine } from "../../../src/embedded/engine/engine.js";
import { startEngine, type StartEngineOptions } from "../../../src/embedded/start-engine.js";
import { errorOf } from "../engine/engine-fixture.js";
import { bytes, RawConnection, text } from "./scram-client.js";
import { PASSWORD, ROOT } from "./users-fixture.js";

const script = new URL("../../../scripts/engine.ts", import.meta.url).pathname;
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "engine-users-"));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

function run(env: NodeJS.ProcessEnv, args: string[]): ReturnType<typeof spawn> {
  return spawn(process.execPath, ["--import", "tsx", script, "--dir", dir, "--port", "0", ...args], { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } });
}

async function firstOutput(stream: NodeJS.ReadableStream | null): Promise<string> {
  if (!stream) throw new Error("Got no stream");
  const [chunk] = (await once(stream, "data")) as [Buffer];
  return chunk.toString().trim();
}

async function withClient<T>(uri: string, user: string, password: string, authSource: string, work: (client: MongoClient) => Promise<T>): Promise<T> {
  const client = new MongoClient(uri, { auth: { username: user, password }, authSource, serverSelectionTimeoutMS: 5_000 });
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

async function withEngine<T>(root: { user: string; password: string }, work: (uri: string) => Promise<T>): Promise<T> {
  const engine = await startEngine({ dir, listen: { socketPath: join(dir, "engine.sock") }, durable: false, users: { root } });
  try {
    return await work(engine.uri);
  } finally {
    await engine.close();
  }
}

async function saltOf(uri: string, user: string): Promise<string> {
  const connection = await RawConnection.open(uri);
  const reply = await connection.command({ saslStart: 1, mechanism: "SCRAM-SHA-256", payload: bytes(`n,,n=${user},r=abc`), $db: "shop" });
  connection.close();
  return text(reply["payload"]).replace(/^r=[^,]*,/, "");
}

describe("npm run engine", () => {
  it("with a root user serves an address that others reach, and a user survives kill -9 and another root password", async () => {
    const child = run({ ENGINE_ROOT_USER: ROOT.user, ENGINE_ROOT_PASSWORD: ROOT.password }, ["--host", "0.0.0.0"]);
    const uri = await firstOutput(child.stdout);
    expect(uri).toMatch(/^mongodb:\/\/0\.0\.0\.0:\d+\/\?directConnection=true$/);
    const reachable = uri.replace("0.0.0.0", "127.0.0.1");
    await withClient(reachable, ROOT.user, ROOT.password, "admin", (client) => client.db("shop").command({ createUser: "ann", pwd: PASSWORD, roles: ["readWrite"] }));
    const before = await saltOf(reachable, "nobody");
    child.kill("SIGKILL");
    await once(child, "exit");
    await withEngine({ ...ROOT, password: "another" }, async (again) => {
      await withClient(again, "ann", PASSWORD, "shop", (client) => client.db("shop").collection("things").insertOne({ kept: true }));
      await withClient(again, ROOT.user, "another", "admin", (client) => client.db("shop").command({ find: "things" }));
      expect((await errorOf(withClient(again, ROOT.user, ROOT.password, "admin", (client) => client.db("shop").command({ find: "things" })))).code).toBe(18);
      // Else a restart would tell the users who exist from those who do not.
      expect(await saltOf(again, "nobody")).toBe(before);
    });
  });

  it("refuses half a root user, and runs open only when none is given", () => {
    expect(usersOf({ ENGINE_ROOT_PASSWORD: "secret" })).toEqual({ refused: "Got ENGINE_ROOT_PASSWORD alone, expected both or neither" });
    expect(usersOf({ ENGINE_ROOT_USER: "root", ENGINE_ROOT_PASSWORD: "" })).toEqual({ refused: "Got ENGINE_ROOT_USER alone, expected both or neither" });
    expect(usersOf({ ENGINE_ROOT_USER: "root", ENGINE_ROOT_PASSWORD: "secret" })).toEqual({ users: { root: { user: "root", password: "secret" } } });
    expect(usersOf({})).toEqual({ users: undefined });
  });
});

describe("a change of a user", () => {
  it("is checked against every change before it, also of the same moment", async () => {
    const engine = new Engine({ dir: await mkdtemp(join(dir, "race-")), durable: false, searchIndexDelayMs: 0, onEvent: () => undefined });
    const users = new UserDirectory(engine, undefined);
    const name = { db: "shop", user: "ann" };
    await users.create(name, { password: PASSWORD, roles: [], customData: undefined });
    const drops = await Promise.allSettled([users.drop(name), users.drop(name), users.drop(name)]);
    expect(drops.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected"]);
    await engine.close();
  });
});

describe("a root user", () => {
  it("with a password that SASLprep would change is refused, and the directory given back", async () => {
    const options: StartEngineOptions = { dir, listen: { socketPath: join(dir, "engine.sock") }, durable: false };
    expect((await errorOf(startEngine({ ...options, users: { root: { user: "root", password: "ö" } } }))).message).toMatch(/^The root user's password is refused: /);
    const engine = await startEngine(options);
    await engine.close();
  });
});
