import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MongoClient } from "mongodb";
import { startEngine } from "../../../src/embedded/start-engine.js";
import { checkDatabaseFile, databaseFiles } from "./database-check.js";
import { errorOf } from "./engine-fixture.js";

const script = new URL("../../../scripts/engine.ts", import.meta.url).pathname;
let dir: string;
const children = new Set<ChildProcess>();

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "engine-crash-"));
});
afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  await rm(dir, { recursive: true, force: true });
});

async function startChild(args: string[] = []): Promise<{ child: ChildProcess; output: string; errors: string }> {
  const child = spawn(process.execPath, ["--import", "tsx", script, "--dir", dir, "--port", "0", ...args], { stdio: ["ignore", "pipe", "pipe"] });
  children.add(child);
  let output = "";
  let errors = "";
  child.stderr?.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  await new Promise<void>((resolve) => {
    child.stdout?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      if (output.includes("\n")) resolve();
    });
    child.once("close", () => resolve());
  });
  return { child, output: output.trim(), errors };
}

describe("an engine killed with signal 9", () => {
  it("has lost no acknowledged write and kept every index in step, three times over", async () => {
    const acknowledged = new Map<string, number>();
    for (let life = 1; life <= 3; life += 1) {
      const { child, output } = await startChild();
      const client = new MongoClient(output, { retryWrites: false, serverSelectionTimeoutMS: 1_000 });
      const items = client.db("crash").collection<{ _id: string; n: number; tags: string[] }>("items");
      await items.createIndex({ n: 1 });
      await items.createIndex({ tags: 1, n: -1 });
      const writers = Array.from({ length: 8 }, async (_, writer) => {
        for (let n = 0; ; n += 1) {
          const id = `${life}-${writer}-${n}`;
          await items.insertOne({ _id: id, n, tags: ["a", `w${writer}`] });
          acknowledged.set(id, n);
          await items.updateOne({ _id: id }, { $inc: { n: 1_000 } });
          acknowledged.set(id, n + 1_000);
        }
      });
      const ended = Promise.allSettled(writers);
      await new Promise((resolve) => setTimeout(resolve, 700));
      child.kill("SIGKILL");
      await once(child, "exit");
      await ended;
      await client.close();
    }
    expect(acknowledged.size).toBeGreaterThan(50);
    const engine = await startEngine({ dir, listen: { host: "127.0.0.1", port: 0 } });
    const client = new MongoClient(engine.uri);
    const found = new Map((await client.db("crash").collection<{ _id: string; n: number }>("items").find().toArray()).map((doc) => [doc["_id"], doc.n]));
    await client.close();
    await engine.close();
    for (const [id, n] of acknowledged) {
      // The one write in flight at the kill may have been made without being acknowledged.
      expect([n, n + 1_000]).toContain(found.get(id));
    }
    expect(databaseFiles(dir)).toEqual(["crash.mdb"]);
    const checked = await checkDatabaseFile(dir, "crash.mdb");
    expect(checked.faults).toEqual([]);
    expect(checked.documents).toBe(found.size);
    expect(checked.entries).toBe(found.size * 3);
  });
});

describe("a data directory", () => {
  it("in use is refused to a second process in one line, and to a second engine of the same process", async () => {
    const first = await startChild();
    const second = await startChild();
    expect(second.output).toBe("");
    expect(second.child.exitCode).toBe(1);
    expect(second.errors.trim()).toBe(`The engine cannot start: The data directory '${dir}' is in use by process ${first.child.pid}, expected one engine for a directory`);
    first.child.kill("SIGTERM");
    const [code] = (await once(first.child, "exit")) as [number];
    expect(code).toBe(0);
    const engine = await startEngine({ dir, listen: { host: "127.0.0.1", port: 0 } });
    expect((await errorOf(startEngine({ dir, listen: { host: "127.0.0.1", port: 0 } }))).message).toMatch(/in use by process/);
    await engine.close();
  });

  it("is given back when the port is taken", async () => {
    const other = await mkdtemp(join(tmpdir(), "engine-port-"));
    const engine = await startEngine({ dir, listen: { host: "127.0.0.1", port: 0 } });
    const port = Number(new URL(engine.uri).port);
    expect((await errorOf(startEngine({ dir: other, listen: { host: "127.0.0.1", port } }))).message).toMatch(/EADDRINUSE/);
    const next = await startEngine({ dir: other, listen: { host: "127.0.0.1", port: 0 } });
    await next.close();
    await engine.close();
    await rm(other, { recursive: true, force: true });
  });
});

describe("the engine script", () => {
  it("refuses an address that others can reach, and a port that is none", async () => {
    const open = await startChild(["--host", "0.0.0.0"]);
    expect(open.child.exitCode).toBe(1);
    expect(open.errors.trim()).toBe("Got --host 0.0.0.0, expected a loopback address: without ENGINE_ROOT_USER and ENGINE_ROOT_PASSWORD the engine authenticates nobody");
    const port = await startChild(["--port", "x"]);
    expect(port.child.exitCode).toBe(1);
    expect(port.errors.trim()).toBe("Got --port x, expected a whole number from 0 to 65535");
  });
});

describe("a transaction that committed before the engine was restarted", () => {
  it("is known as committed, so that a repeated commit is answered", async () => {
    const { Long, UUID } = await import("bson");
    const { rawCommand } = await import("./raw-client.js");
    const lsid = { id: new UUID() };
    const txn = { lsid, txnNumber: Long.fromNumber(1), autocommit: false };
    const commit = { commitTransaction: 1, ...txn, $db: "admin" };
    let engine = await startEngine({ dir, listen: { host: "127.0.0.1", port: 0 } });
    await rawCommand(engine.uri, { insert: "kept", documents: [{ _id: 1 }], ...txn, startTransaction: true, $db: "crash" });
    expect(await rawCommand(engine.uri, commit)).toMatchObject({ ok: 1 });
    await engine.close();
    engine = await startEngine({ dir, listen: { host: "127.0.0.1", port: 0 } });
    expect(await rawCommand(engine.uri, commit)).toMatchObject({ ok: 1 });
    expect(await rawCommand(engine.uri, { ...commit, txnNumber: Long.fromNumber(2) })).toMatchObject({ ok: 0, code: 251 });
    await engine.close();
  });
});
