import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Double } from "bson";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Engine } from "../../../src/embedded/engine/engine.js";
import { Sweeper } from "../../../src/embedded/engine/sweeper.js";
import { insertDocument } from "../../../src/embedded/engine/document-writer.js";
import { documentPrefix, successor } from "../../../src/embedded/engine/keys.js";
import { WorkUnit } from "../../../src/embedded/engine/work-unit.js";
import { encode, type Doc } from "../../../src/embedded/semantics/bson-codec.js";

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

describe("a TTL index", () => {
  it("removes what is over, its index entries too, and nothing else", async () => {
    const database = engine.open("ttl");
    const collection = await database.ensureCollection("sessions");
    await database.addIndexes(collection.name, [{ v: 2, key: { at: 1 }, name: "at_1", expireAfterSeconds: 60 }]);
    const nowMs = 1_000_000;
    const docs: Doc[] = [
      { _id: "old", at: new Date(nowMs - 61_000) },
      { _id: "young", at: new Date(nowMs - 59_000) },
      { _id: "never" },
      { _id: "number", at: new Double(5) },
      { _id: "list", at: [new Date(nowMs), new Date(nowMs - 90_000)] },
    ];
    const unit = new WorkUnit(database);
    for (const doc of docs) await insertDocument(unit, database.require("sessions"), { doc, bytes: encode(doc) });
    await unit.flush();
    const sweeper = new Sweeper(engine);
    await sweeper.sweep(nowMs);
    await sweeper.stop();
    const prefix = documentPrefix(collection.id);
    const left = database.file.latest.chunk(prefix, successor(prefix), false, 10).map(({ value }) => value.toString("latin1"));
    expect(left).toHaveLength(3);
    for (const id of ["young", "never", "number"]) expect(left.some((text) => text.includes(id))).toBe(true);
  });
});
