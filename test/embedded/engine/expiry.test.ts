import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Double } from "bson";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Engine } from "../../../src/embedded/engine/engine.js";
import { Sweeper } from "../../../src/embedded/engine/sweeper.js";
import { insertDocument } from "../../../src/embedded/engine/document-writer.js";
import { documentPrefix, indexPrefix, successor } from "../../../src/embedded/engine/keys.js";
import { WorkUnit } from "../../../src/embedded/engine/work-unit.js";
import { decode, encode, type Doc } from "../../../src/embedded/semantics/bson-codec.js";

let dir: string;
let engine: Engine;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "engine-ttl-"));
  engine = new Engine({ dir, durable: false, searchIndexDelayMs: 0, onEvent: () => undefined });
});
afterAll(async () => {
  await engine.close();
  await rm(dir, { recursive: true, force: true });
});

async function insertAll(name: string, docs: readonly Doc[]): Promise<void> {
  const database = engine.open("ttl");
  const unit = new WorkUnit(database);
  for (const doc of docs) await insertDocument(unit, database.require(name), { doc, bytes: encode(doc) });
  await unit.flush();
}

async function sweep(nowMs: number): Promise<void> {
  const sweeper = new Sweeper(engine);
  await sweeper.sweep(nowMs);
  await sweeper.stop();
}

function idsOf(name: string): unknown[] {
  const database = engine.open("ttl");
  const prefix = documentPrefix(database.require(name).id);
  return database.file.latest.chunk(prefix, successor(prefix), false, 10).map(({ value }) => decode(value)["_id"]);
}

describe("a TTL index", () => {
  it("with a partial filter leaves alone what the filter does not name", async () => {
    const database = engine.open("ttl");
    await database.ensureCollection("partial");
    await database.addIndexes("partial", [{ v: 2, key: { at: 1 }, name: "at_1", expireAfterSeconds: 0, partialFilterExpression: { kind: "draft" } }]);
    await insertAll("partial", [
      { _id: "draft", kind: "draft", at: new Date(5) },
      { _id: "final", kind: "final", at: new Date(5) },
    ]);
    await sweep(1_000);
    expect(idsOf("partial")).toEqual(["final"]);
  });

  it("removes what is over, its index entries too, and nothing else", async () => {
    const database = engine.open("ttl");
    await database.ensureCollection("sessions");
    await database.addIndexes("sessions", [{ v: 2, key: { at: 1 }, name: "at_1", expireAfterSeconds: 60 }]);
    const nowMs = 1_000_000;
    const docs: Doc[] = [
      { _id: "old", at: new Date(nowMs - 61_000) },
      { _id: "young", at: new Date(nowMs - 59_000) },
      { _id: "never" },
      { _id: "number", at: new Double(5) },
      { _id: "list", at: [new Date(nowMs), new Date(nowMs - 90_000)] },
    ];
    await insertAll("sessions", docs);
    await sweep(nowMs);
    expect(idsOf("sessions")).toEqual(["never", "number", "young"]);
    const [index] = database.require("sessions").indexes;
    const entries = indexPrefix(index?.id ?? 0);
    expect(database.file.latest.count(entries, successor(entries))).toBe(3);
  });
});
