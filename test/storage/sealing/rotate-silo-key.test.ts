import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { closeFence, openFence } from "../../../src/storage/fence.js";
import type { KeyVault } from "../../../src/storage/control/control-plane.js";
import type { TenantHome } from "../../../src/storage/home.js";
import { ringAgeMsMax } from "../../../src/storage/sealing/key-ring.js";
import { rotateSiloKey } from "../../../src/storage/sealing/rotate-silo-key.js";
import { siloKeyName } from "../../../src/storage/sealing/silo-key-name.js";
import type { TenantStore } from "../../../src/storage/tenant-store.js";
import { startTestDeployment, type TestDeployment } from "../../support/engine.js";
import { newChunk, newDocument, openTestHome, openTestStore, testEmbedding } from "../../support/homes.js";
import { openSealedSilo, openTestVault, slowly } from "../../support/sealed-silo.js";
import { contextOf, policies, recordingTelemetry } from "../../support/tenants.js";

const context = contextOf("acme");
const caps = policies.ENTERPRISE;
const sealedNames = ["documents", "raw_documents", "chunks", "conversations", "messages"] as const;

let deployment: TestDeployment;
let vault: KeyVault;
let home: TenantHome;
let store: TenantStore;
let suffix: string;
const telemetry = recordingTelemetry();
beforeAll(async () => {
  deployment = await startTestDeployment();
  vault = await openTestVault(deployment);
});
afterAll(() => deployment.close());
beforeEach(async () => {
  suffix = `rot${randomUUID().slice(0, 6)}`;
  telemetry.alarms.length = 0;
  [home, store] = await server("server-1");
});

/** One more server on the same silo, with keys it has read itself. */
async function server(serverId: string, keys = vault): Promise<[TenantHome, TenantStore]> {
  const opened = await openSealedSilo(deployment, { suffix, owner: "acme", vault: keys, telemetry, serverId, client: await deployment.connect() });
  return [opened, await openTestStore(opened, context)];
}

async function publish(into: TenantStore, word: string, chunks = 3): Promise<void> {
  const { id } = await into.documents.add(newDocument({ title: word, raw: Buffer.from(`Raw ${word}`) }), caps);
  await into.documents.publish(id, Array.from({ length: chunks }, (_, n) => newChunk(n, [1, 0, 0, 0], { text: `${word} ${n}`, terms: ["common", word], termCounts: [1, 1] })), testEmbedding, caps);
}

async function fill(documents: number): Promise<void> {
  for (let n = 0; n < documents; n += 1) await publish(store, `word${n}`);
  const talk = store.conversationsOf(context.userId);
  const { id } = await talk.start("Talk");
  for (let n = 0; n < 5; n += 1) await talk.append(id, { question: `q${n}`, answer: `a${n}` });
}

function signalOnce(): { readonly given: Promise<void>; give(): void } {
  const emitter = new AbortController();
  return { given: new Promise((resolve) => emitter.signal.addEventListener("abort", () => resolve())), give: () => emitter.abort() };
}

async function versionsInUse(): Promise<ReadonlyMap<number, number>> {
  const counts = new Map<number, number>();
  for (const name of sealedNames) {
    for await (const row of home.database.db.collection(name).find({}, { projection: { sealed_with: 1 } })) counts.set(Number(row["sealed_with"]), (counts.get(Number(row["sealed_with"])) ?? 0) + 1);
  }
  return counts;
}

const liveVersions = async (): Promise<number[]> => (await vault.ensure(context.tenantId, siloKeyName({ database: home.database.db.databaseName }))).versions.map(({ version }) => version);
const addVersion = () => vault.rotate(context.tenantId, siloKeyName({ database: home.database.db.databaseName }));

describe("a silo's key that is rotated", () => {
  it("seals every row anew, stamped as any write, and the old one is destroyed", async () => {
    await fill(4);
    const before = await home.database.db.collection("chunks").find().toArray();
    // A server that does nothing meanwhile, so that its keys are as old as can be when it writes again.
    const [, idle] = await server("server-2");
    await idle.conversationsOf(context.userId).page({ first: 1 });
    const told: number[] = [];
    const rotated = await rotateSiloKey(home, context, 1, vault, { onProgress: (rows) => void told.push(rows) });
    // 4 documents with raw text and 3 chunks each, a conversation and 5 messages.
    expect(rotated).toEqual({ version: 2, rows: 26 });
    expect([told.at(-1), await versionsInUse(), await liveVersions()]).toEqual([26, new Map([[2, 26]]), [2]]);
    const after = new Map((await home.database.db.collection("chunks").find().toArray()).map((row) => [String(row["_id"]), row]));
    for (const row of before) {
      expect(Number(after.get(String(row["_id"]))?.["seq"])).toBeGreaterThan(Number(row["seq"]));
      expect(() => home.sealer.open("chunks", row)).toThrow();
    }
    const found = await store.chunks.withAnyTerm(["word2"], 10, {});
    expect(found.map(({ text, terms }) => `${text}: ${terms.join()}`).toSorted()).toEqual([0, 1, 2].map((n) => `word2 ${n}: common,word2`));
    await publish(idle, "later");
    expect([...(await versionsInUse()).keys()]).toEqual([2]);
    expect(await store.chunks.termFrequencies(["later", "common"])).toEqual(new Map([["later", 3], ["common", 15]]));
    expect(telemetry.alarms).toEqual([]);
  });

  it("loses, doubles and hides nothing while two servers read, search and write", async () => {
    await fill(6);
    const [, other] = await server("server-2");
    let words = 6;
    let reads = 0;
    const work = new AbortController();
    const written = new Map<string, number>(Array.from({ length: words }, (_, n) => [`word${n}`, 3]));
    const writer = async (into: TenantStore): Promise<void> => {
      while (!work.signal.aborted) {
        const word = `word${words++}`;
        await publish(into, word, 2);
        written.set(word, 2);
        await sleep(15);
      }
    };
    const reader = async (from: TenantStore): Promise<void> => {
      while (!work.signal.aborted) {
        const known = [...written];
        const [word, expected] = known[reads % known.length] as [string, number];
        const matches = await from.chunks.withAnyTerm([word], 10, {});
        expect([word, matches.length, matches.every(({ text }) => text.startsWith(`${word} `))]).toEqual([word, expected, true]);
        expect((await from.chunks.termFrequencies([word])).get(word)).toBe(expected);
        expect((await from.chunks.termFrequencies(["common"])).get("common")).toBeGreaterThanOrEqual(known.reduce((sum, [, count]) => sum + count, 0));
        expect((await from.documents.page({ first: 50 }, {})).items.length).toBeGreaterThanOrEqual(Math.min(50, known.length));
        reads += 1;
      }
    };
    const working = Promise.all([writer(store), writer(other), reader(store), reader(other), reader(other)]);
    const rotated = await Promise.race([rotateSiloKey(home, context, 1, vault), working.then(() => expect.unreachable("the work ended first"))]).finally(() => work.abort());
    await working;
    expect(rotated.version).toBe(2);
    expect([[...(await versionsInUse()).keys()], await liveVersions()]).toEqual([[2], [2]]);
    expect(reads).toBeGreaterThan(50);
    for (const [word, expected] of written) expect((await other.chunks.withAnyTerm([word], 10, {})).length).toBe(expected);
    expect(telemetry.alarms).toEqual([]);
  });

  it("goes on where a crash left it, on another server, and adds no third version", async () => {
    await fill(60);
    const crash = rotateSiloKey(home, context, 1, vault, { onProgress: (rows) => (rows >= 100 ? Promise.reject(new TypeError("killed")) : undefined) });
    await expect(crash).rejects.toThrow("killed");
    const half = await versionsInUse();
    expect([[...half.keys()].toSorted(), await liveVersions()]).toEqual([[1, 2], [1, 2]]);
    // Between the two every word is found, under whichever key its row is.
    expect((await store.chunks.termFrequencies(["common"])).get("common")).toBe(180);
    const [next] = await server("server-2");
    const resumed = await rotateSiloKey(next, context, 1, vault);
    expect(resumed).toEqual({ version: 2, rows: half.get(1) });
    expect([[...(await versionsInUse()).keys()], await liveVersions()]).toEqual([[2], [2]]);
    expect((await store.chunks.termFrequencies(["common"])).get("common")).toBe(180);
  });

  it("waits for a write that was sealed by the old key and sleeps before its commit", async () => {
    await fill(1);
    const [sleeper] = await server("sleeper");
    const [asleep, awake] = [signalOnce(), signalOnce()];
    const late = sleeper.write(context, 1, 1, async (turn) => {
      const now = new Date();
      await turn.write("conversations").insert([{ id: "late", user_id: context.userId, title: "Sealed long ago", turns: 0, created_at: now, updated_at: now }]);
      asleep.give();
      await awake.given;
    });
    await asleep.given;
    const rotating = rotateSiloKey(home, context, 1, vault);
    await sleep(ringAgeMsMax + 1_000);
    expect(await liveVersions()).toEqual([1, 2]);
    awake.give();
    await Promise.all([late, rotating]);
    expect([...(await versionsInUse()).keys()]).toEqual([2]);
    expect((await store.conversationsOf(context.userId).page({ first: 10 })).items.map(({ item }) => item.title)).toContain("Sealed long ago");
  });

  it("is heard of at once by a server that meets a row of it, and by a search that would overlook one", async () => {
    await fill(1);
    // Each with fresh keys, so that nothing makes it look again by itself, and a vault that takes its time.
    const slow = slowly(vault);
    const [, listing] = await server("server-2", slow);
    const [, searching] = await server("server-3", slow);
    const [, counting] = await server("server-4", slow);
    await addVersion();
    const [, writing] = await server("server-5");
    await publish(writing, "newest", 2);
    expect((await listing.documents.page({ first: 10 }, { titleContains: "newest" })).items).toHaveLength(1);
    expect((await searching.chunks.withAnyTerm(["newest"], 10, {})).map(({ text }) => text).toSorted()).toEqual(["newest 0", "newest 1"]);
    expect(await counting.chunks.termFrequencies(["newest", "common"])).toEqual(new Map([["newest", 2], ["common", 5]]));
    expect(telemetry.alarms).toEqual([]);
  });

  it("is not begun in a pool, nor in a silo that is closed; one that is closed under it keeps both versions", async () => {
    await expect(rotateSiloKey(await openTestHome(deployment, { suffix: `${suffix}p` }), context, 1, vault)).rejects.toMatchObject({ code: "CONFLICT" });
    await fill(2);
    const [closed] = await server("server-2");
    await expect(rotateSiloKey(closed, context, 2, vault)).rejects.toMatchObject({ name: "FenceRefused" });
    expect(await liveVersions()).toEqual([1]);
    const rotating = rotateSiloKey(home, context, 1, vault);
    await expect.poll(liveVersions).toEqual([1, 2]);
    await closeFence(home.database, context.tenantId, 1);
    await expect(rotating).rejects.toMatchObject({ name: "FenceRefused" });
    expect(await liveVersions()).toEqual([1, 2]);
    await expect(rotateSiloKey(home, context, 1, vault)).rejects.toMatchObject({ name: "FenceRefused" });
    await openFence(home.database, context.tenantId, 1);
    expect(await rotateSiloKey(home, context, 1, vault)).toMatchObject({ version: 2 });
  });
});
