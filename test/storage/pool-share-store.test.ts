import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { declareCollections } from "../../src/storage/declare-collections.js";
import type { PoolShareStore, ShareBeat, ShareClaim } from "../../src/storage/control/pool-share-rows.js";
import { MongoPoolShareStore, type PoolShareDocument } from "../../src/storage/control/pool-share-store.js";
import { translatingMethods } from "../../src/storage/driver-errors.js";
import { MemoryPoolShares } from "../metering/memory-pool-shares.js";
import { startTestDeployment, type TestDeployment } from "../support/engine.js";
import { testEmbedding } from "../support/homes.js";

const claims: readonly ShareClaim[] = [{ tenant: "$hash", weight: 4, rank: 0, running: 2, waiting: 7 }];

function beatOf(server: string, seq: number, slots: number, more: Partial<ShareBeat> = {}): ShareBeat {
  return { server, seq, slots, permille: slots * 100, claims: [], slotsTotal: 8, leaseMs: 60_000, ...more };
}

async function partsOf(store: PoolShareStore, group: string, beat: ShareBeat): Promise<Readonly<Record<string, readonly [number, number]>>> {
  const { servers } = await store.beat(group, beat);
  return Object.fromEntries(servers.map(({ id, slots, permille }) => [id, [slots, permille]]));
}

describe.each(["the database", "the tests' memory"])("shares of a pool in %s", (kind) => {
  let deployment: TestDeployment | undefined;
  let store: PoolShareStore;

  beforeAll(async () => {
    if (kind === "the tests' memory") return void (store = new MemoryPoolShares(() => Date.now()));
    deployment = await startTestDeployment();
    const db = deployment.client.db(deployment.database("shares"));
    await declareCollections(db, "CONTROL", "POOL", testEmbedding);
    store = translatingMethods(new MongoPoolShareStore(db.collection<PoolShareDocument>("pool_shares")));
  });
  afterAll(() => deployment?.close());

  it("give a server what it wants while it is free, and after that what is left", async () => {
    expect(await partsOf(store, "free", beatOf("a", 1, 5))).toEqual({ a: [5, 500] });
    expect(await partsOf(store, "free", beatOf("b", 1, 8))).toEqual({ a: [5, 500], b: [3, 500] });
    expect(await partsOf(store, "free", beatOf("c", 1, 8))).toEqual({ a: [5, 500], b: [3, 500], c: [0, 0] });
    expect(await partsOf(store, "free", beatOf("a", 2, 1))).toEqual({ a: [1, 100], b: [3, 500], c: [0, 0] });
    expect(await partsOf(store, "free", beatOf("c", 2, 8))).toEqual({ a: [1, 100], b: [3, 500], c: [4, 400] });
  });

  it("never add up to more than there is, however many beat at once", async () => {
    const seen = await Promise.all(Array.from({ length: 24 }, (_, i) => partsOf(store, "storm", beatOf(`s${i % 6}`, 1 + Math.floor(i / 6), 1 + ((i * 5) % 8))).catch(() => ({}))));
    for (const parts of seen) expect(Object.values(parts).reduce((sum, [slots]) => sum + slots, 0)).toBeLessThanOrEqual(8);
    expect(seen.filter((parts) => Object.keys(parts).length > 0).length).toBeGreaterThan(5);
  });

  it("tell every server what the tenants of all claim, and the time", async () => {
    await store.beat("claims", beatOf("a", 1, 2, { claims }));
    const view = await store.beat("claims", beatOf("b", 1, 2));
    expect(view.servers.map(({ id, claims: theirs }) => [id, theirs])).toEqual([["a", claims], ["b", []]]);
    expect(Math.abs(view.at - Date.now())).toBeLessThan(60_000);
  });

  it("are free again when a server is gone for longer than its lease", async () => {
    await store.beat("gone", beatOf("a", 1, 8, { leaseMs: 30 }));
    await sleep(60);
    expect(await partsOf(store, "gone", beatOf("b", 1, 8))).toEqual({ b: [8, 800] });
  });

  it("are free at once when a server leaves", async () => {
    await store.beat("left", beatOf("a", 1, 8));
    await store.leave("left", "a");
    expect(await partsOf(store, "left", beatOf("b", 1, 8))).toEqual({ b: [8, 800] });
  });

  it("do not take a beat that was overtaken by a later one", async () => {
    await store.beat("late", beatOf("a", 2, 2));
    await expect(store.beat("late", beatOf("a", 1, 8))).rejects.toMatchObject({ code: "CONFLICT" });
    await expect(store.beat("late", beatOf("a", 2, 8))).rejects.toMatchObject({ code: "CONFLICT" });
    expect(await partsOf(store, "late", beatOf("a", 3, 3))).toEqual({ a: [3, 300] });
  });

  it("of one group say nothing about another", async () => {
    await store.beat("one", beatOf("a", 1, 8));
    expect(await partsOf(store, "other", beatOf("b", 1, 8))).toEqual({ b: [8, 800] });
  });
});
