/**
 * Moves of a tenant between pool and silo: how long its writes wait, how fast it is copied beside a
 * raw driver copy of the same rows, how soon an empty tenant is upgraded. Two servers in processes of
 * their own over one embedded engine with fsync on; silos with users and keys of their own.
 */
import { fork, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MongoClient } from "mongodb";
import { startEngine } from "../../src/embedded/start-engine.js";
import { declareCollections } from "../../src/storage/declare-collections.js";
import { movingCollections } from "../../src/storage/moving/moving-collections.js";
import { median, quantile, type Bench } from "./bench-result.js";
import { compileScript } from "./compile-script.js";
import { ask, hear } from "./hear.js";
import type { MoveAnswer, MoveQuestion, WriteAnswer } from "./move-messages.js";

const writesPerSecond = 50;
const embedding = { model: "bench", dimensions: 384 };
/** Not counted: a server that has just started compiles what its first moves run. They take about 20 ms longer. */
const warmUpMoves = 4;
/** Of the raw copy, as its driver takes them best. */
const rawBatchRows = 1_000;

export const bench: Bench = async (args, progress) => {
  const moves = Number(args[0] ?? 20);
  const documents = Number(args[1] ?? 150);
  const rounds = Number(args[2] ?? 5);
  const dir = mkdtempSync(join(tmpdir(), "bulkhead-bench-"));
  const built = compileScript("scripts/bench/move-server.ts");
  const engine = await startEngine({ dir: join(dir, "engine"), listen: { host: "127.0.0.1", port: 0 } });
  const client = await new MongoClient(engine.uri, { writeConcern: { w: "majority" } }).connect();
  const children: ChildProcess[] = [];
  try {
    for (const name of ["server-1", "server-2"]) {
      const child = fork(join(built, "scripts/bench/move-server.js"), [engine.uri, join(dir, "data")], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
      children.push(child);
      await hear(child, name);
    }
    const [first, second] = children as [ChildProcess, ChildProcess];
    const tell = <Answer>(child: ChildProcess, question: MoveQuestion): Promise<Answer> => ask<Answer>(child, child === first ? "server-1" : "server-2", question);

    const empty: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      await tell(first, { do: "fill", tenant: `empty-${round}`, documents: 0 });
      empty.push((await tell<MoveAnswer>(first, { do: "move", tenant: `empty-${round}`, tier: "ENTERPRISE" })).switchedMs);
    }
    progress(`upgrade of an empty tenant: ${empty.map((ms) => ms.toFixed(0)).join(", ")} ms`);

    await tell(first, { do: "fill", tenant: "large", documents });
    const copied: number[] = [];
    const raw: number[] = [];
    const prefix = "bulkhead";
    for (let round = 0; round < rounds; round += 1) {
      raw.push(await rawCopy(client, `${prefix}_pool`, `raw_${round}`));
      const there = await tell<MoveAnswer>(first, { do: "move", tenant: "large", tier: "ENTERPRISE" });
      copied.push((there.rows * 1_000) / there.copyMs);
      await tell(first, { do: "move", tenant: "large", tier: "PRO" });
      progress(`round ${round + 1} of ${rounds}: raw copy ${raw.at(-1)?.toFixed(0)} rows/s, move ${copied.at(-1)?.toFixed(0)} rows/s, compared in ${there.verifyMs.toFixed(0)} ms`);
    }

    await tell(first, { do: "fill", tenant: "busy", documents: 10 });
    await Promise.all(children.map((child) => tell(child, { do: "write", tenant: "busy", perSecond: writesPerSecond / children.length })));
    const pauses: number[] = [];
    for (let n = -warmUpMoves; n < moves; n += 1) {
      // By turns on the one server and the other: a tenant's writers are mostly not where its mover is.
      const moved = await tell<MoveAnswer>(n % 2 === 0 ? first : second, { do: "move", tenant: "busy", tier: n % 2 === 0 ? "ENTERPRISE" : "PRO" });
      if (n >= 0) pauses.push(moved.pauseMs);
      progress(`${n < 0 ? "warm-up" : `move ${n + 1} of ${moves}`}: writes paused for ${moved.pauseMs.toFixed(1)} ms`);
    }
    const written = await Promise.all(children.map((child) => tell<WriteAnswer>(child, { do: "stop" })));
    const writesMs = written.flatMap((server) => server.writesMs);
    const failed = written.reduce((sum, server) => sum + server.failed, 0);
    if (failed > 0) throw new Error(`${failed} writes or searches failed while the tenant moved`);
    const figures = {
      "write pause p99 ms": quantile(pauses, 0.99),
      "write pause worst ms": Math.max(...pauses),
      "slowest write while moving ms": Math.max(...writesMs),
      "copy to raw driver copy": median(copied.map((rows, at) => rows / (raw[at] ?? Number.NaN))),
      "upgrade of an empty tenant ms": median(empty),
    };
    return {
      results: [
        { system: "bulkhead", metric: "copy", unit: "rows/s", value: median(copied) },
        { system: "raw driver copy", metric: "copy", unit: "rows/s", value: median(raw) },
        { system: "bulkhead", metric: "write pause p50", unit: "ms", value: median(pauses) },
        { system: "bulkhead", metric: "write while moving p99", unit: "ms", value: quantile(writesMs, 0.99) },
        { system: "bulkhead", metric: "search while moving p99", unit: "ms", value: quantile(written.flatMap((server) => server.searchesMs), 0.99) },
        { system: "bulkhead", metric: "upgrade of an empty tenant", unit: "ms", value: median(empty) },
      ],
      ratios: figures,
      goals: {
        "write pause p99 ms": { op: "<=", value: 50 },
        "write pause worst ms": { op: "<=", value: 500 },
        "slowest write while moving ms": { op: "<=", value: 500 },
        "copy to raw driver copy": { op: ">=", value: 0.5 },
        "upgrade of an empty tenant ms": { op: "<=", value: 1_000 },
      },
    };
  } finally {
    for (const child of children) child.kill();
    await client.close();
    await engine.close();
    for (const folder of [dir, built]) rmSync(folder, { recursive: true, force: true });
  }
};

/** Rows a second of a plain copy by find and insertMany, into collections that are declared as ours are. */
async function rawCopy(client: MongoClient, from: string, to: string): Promise<number> {
  const [source, target] = [client.db(from), client.db(to)];
  await declareCollections(target, "TENANT", "POOL", embedding);
  const startedAt = performance.now();
  let rows = 0;
  for (const name of movingCollections) {
    let batch: Record<string, unknown>[] = [];
    const flush = async (): Promise<void> => {
      if (batch.length > 0) await target.collection(name).insertMany(batch);
      rows += batch.length;
      batch = [];
    };
    for await (const row of source.collection(name).find({ tenant_id: "large" }, { batchSize: rawBatchRows })) {
      batch.push(row);
      if (batch.length === rawBatchRows) await flush();
    }
    await flush();
  }
  const tookMs = performance.now() - startedAt;
  await target.dropDatabase();
  return (rows * 1_000) / tookMs;
}
