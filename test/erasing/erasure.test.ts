import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Deadline } from "../../src/kernel/deadline.js";
import { parseTenantId } from "../../src/kernel/ids.js";
import { openFence } from "../../src/storage/fence.js";
import { startTestDeployment, type TestDeployment } from "../support/engine.js";
import { newDocument } from "../support/homes.js";
import { policies } from "../support/tenants.js";
import { importWeights } from "../support/adapters.js";
import { moveTo } from "../provisioning/world.js";
import { dyingEraser, ErasingWorld, nothingButTheId } from "./erasing-world.js";

let deployment: TestDeployment;
let here: ErasingWorld;
beforeAll(async () => {
  deployment = await startTestDeployment();
  here = await ErasingWorld.start(deployment);
});
afterAll(async () => {
  await here.close();
  await deployment.close();
});

/** A tenant that has left something in every store. */
async function lived(id: string): Promise<void> {
  const { world } = here;
  await world.administration.create({ id, name: `The ${id} company`, tier: "PRO" });
  await world.write(id, `Handbook of ${id}`);
  await world.write(id, "A second one");
  const context = await world.context(id);
  const deadline = Deadline.after(10_000);
  await world.router.write(context, deadline, async (store) => {
    const conversations = store.conversationsOf(context.userId);
    const { id: conversation } = await conversations.start("About leave");
    await conversations.append(conversation, { question: "How long?", answer: "Thirty days." });
    const [message] = await conversations.latest(conversation, 1);
    await store.feedbackOf(context.userId).give(String(message?.id), { rating: "GOOD" });
    await importWeights(store, Buffer.from(`weights of ${id}`));
    await store.idempotencyOf(context.userId).answer("a key", "0".repeat(64), { id: "msg_kept", answer: "Thirty days.", conversationId: conversation, documentIds: [] });
  });
  deadline.dispose();
  await here.quotas.admitRequests(context, 3);
  await world.control.vault.ensure(context.tenantId, "pseudonyms");
  await world.control.ledgerOf(context).append({
    userPseudonym: "usr_someone", requestId: context.requestId, path: "ask", callNumber: 0, kind: "COMPLETION", operation: "ask", model: "m", promptTokens: 1, completionTokens: 1,
    priceVersion: "v", costMicroUsd: 1, outcome: "OK", at: new Date(),
  });
}

const withLedger = { ...nothingButTheId, "control.usage": 1, "control.usage_hours": 1 };

/** The destroyed secrets' names stay, each without its secret. */
function withoutSecretNames(remains: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(remains).filter(([store]) => store !== "control.tenant_secrets"));
}

describe("erasing a tenant", () => {
  test("of the pool leaves its id, a closed fence, the receipt and the pseudonymous ledger, and no other tenant loses a row", async () => {
    await lived("ash");
    await lived("beech");
    const before = await here.remains("beech");
    const receipt = await here.erase("ash");
    expect(receipt).toMatchObject({ status: "COMPLETE", phase: "ENDED", unreachable: [], rounds: 0 });
    expect(receipt.verifiedAt).toBeInstanceOf(Date);
    const removed = Object.fromEntries(receipt.removed.map(({ store, what, count }) => [`${store}: ${what}`, count]));
    expect(removed).toMatchObject({ "pool: rows of documents": 2, "pool: rows of chunks": 2, "pool: rows of raw_documents": 2, "pool: rows of conversations": 1, "pool: rows of messages": 1, "pool: rows of idempotency_records": 1, "pool: rows of idempotency_answers": 1, "pool: rows of feedback": 1, "pool: rows of adapters": 1, "pool: rows of adapter_weights": 1, "control plane: secrets": 1, "counters: counters of requests and tokens": 1, "control plane: the tenant's name": 1 });
    expect(receipt.kept.map(({ what }) => what)).toEqual(expect.arrayContaining(["1 rows of the usage ledger, and their sums by hour", "the id ash in the directory, without its name"]));
    expect(withoutSecretNames(await here.remains("ash"))).toEqual(withLedger);
    expect(await here.world.control.vault.names(parseTenantId("ash"))).toEqual([]);
    expect(await here.world.control.vault.find(parseTenantId("ash"), "pseudonyms")).toBeUndefined();
    await expect(here.world.control.vault.ensure(parseTenantId("ash"), "pseudonyms")).rejects.toMatchObject({ code: "NOT_FOUND" });
    expect(await here.world.control.directory.find(parseTenantId("ash"))).toMatchObject({ state: "ERASED", name: "Erased tenant" });
    expect(await here.remains("beech")).toEqual(before);
    expect(await here.world.titles("beech")).toEqual(["A second one", "Handbook of beech"]);
  });

  test("is final: its id is never given again, its fence never opened, and nothing else may be done to it", async () => {
    await lived("cedar");
    await here.erase("cedar");
    const { administration } = here.world;
    const works = [() => administration.create({ id: "cedar", name: "Cedar", tier: "FREE" }), () => administration.reactivate("cedar"), () => administration.suspend("cedar"), () => administration.changeTier("cedar", "ENTERPRISE")];
    for (const work of works) await expect(work()).rejects.toMatchObject({ code: "CONFLICT" });
    await administration.sendHome("cedar");
    expect(await administration.latestMove(parseTenantId("cedar"))).toBeUndefined();
    const lease = await here.world.homes.lease("POOL");
    await expect(openFence(lease.value.database, parseTenantId("cedar"), 1_000_000)).rejects.toMatchObject({ code: "CONFLICT" });
    lease.release();
  });

  test("stops a writer that has the tenant's store in its hands already, as a server does that slept through it", async () => {
    await lived("dogwood");
    const context = await here.world.context("dogwood");
    const lease = await here.world.homes.lease("POOL");
    const store = lease.value.store(context, context.epoch);
    await store.documents.add(newDocument({ title: "Before" }), policies.PRO);
    await here.erase("dogwood");
    await expect(store.documents.add(newDocument({ title: "Too late" }), policies.PRO)).rejects.toMatchObject({ name: "FenceRefused" });
    lease.release();
    expect(withoutSecretNames(await here.remains("dogwood"))).toEqual(withLedger);
  });

  test("in a silo drops it, and a suspended tenant is erased like any other", async () => {
    await lived("elm");
    expect(await moveTo(here.world, "elm", "ENTERPRISE")).toMatchObject({ phase: "DONE" });
    await here.world.administration.suspend("elm");
    const receipt = await here.erase("elm");
    expect(receipt).toMatchObject({ status: "COMPLETE", unreachable: [] });
    const silo = `silo ${here.world.prefix}_elm_2`;
    expect(receipt.removed).toEqual(expect.arrayContaining([{ store: silo, what: "database", count: 1 }, { store: silo, what: "rows of documents", count: 2 }, { store: "control plane", what: "placement moves", count: 1 }]));
    expect(withoutSecretNames(await here.remains("elm"))).toEqual(withLedger);
    expect(await here.world.orphans("elm")).toEqual([]);
  });

  test.each(["PREPARING", "COPYING", "OBSERVING"])("ends a move that is %s first, and leaves neither home", async (phase) => {
    const id = `fir-${phase.toLowerCase()}`;
    await lived(id);
    const { move } = await here.world.administration.changeTier(id, "ENTERPRISE");
    // Its server dies just there; another takes the move up while the erasure waits for its end.
    const died = new Error("killed");
    await here.world.mover(here.world.control, { observeMs: 600_000, at: (point) => (point === `${phase} before` ? Promise.reject(died) : Promise.resolve()) }).drive(move?.id);
    expect(await here.world.control.moves.find(move?.id as never)).toMatchObject({ phase });
    await here.world.expireLeases();
    const mover = here.world.mover(here.world.control, { observeMs: 600_000 });
    mover.start();
    try {
      expect(await here.erase(id)).toMatchObject({ status: "COMPLETE", unreachable: [] });
    } finally {
      await mover.close();
    }
    expect(withoutSecretNames(await here.remains(id))).toEqual(withLedger);
    expect(await here.world.orphans(id)).toEqual([]);
  }, 30_000);

  test("is PARTIAL while a silo cannot be reached, says which, erases the rest, and is completed by asking again", async () => {
    await lived("gum");
    await moveTo(here.world, "gum", "ENTERPRISE");
    const database = `${here.world.prefix}_gum_2`;
    here.down.add(database);
    const partial = await here.erase("gum");
    expect(partial).toMatchObject({ status: "PARTIAL", unreachable: [{ store: `silo ${database}`, reason: "The cluster does not answer" }] });
    // What is still there is not called removed.
    expect(partial.removed.filter(({ store }) => store.startsWith("silo"))).toEqual([]);
    expect(await here.stateOf("gum")).toBe("ERASING");
    expect(Object.keys(await here.remains("gum")).filter((store) => store.startsWith("pool.") && store !== "pool.fences")).toEqual([]);
    here.down.clear();
    const complete = await here.erase("gum");
    expect(complete).toMatchObject({ status: "COMPLETE", unreachable: [] });
    // What the first try removed is still on it.
    expect(complete.removed.find(({ store, what }) => store === "control plane" && what === "secrets")?.count).toBe(1);
    expect(complete.removed).toEqual(expect.arrayContaining([{ store: `silo ${database}`, what: "database", count: 1 }, { store: `silo ${database}`, what: "rows of documents", count: 2 }]));
    expect(withoutSecretNames(await here.remains("gum"))).toEqual(withLedger);
    expect(await here.stateOf("gum")).toBe("ERASED");
  });

  test("is PARTIAL when a move does not end, and removes nothing under it", async () => {
    await lived("hazel");
    await here.world.administration.changeTier("hazel", "ENTERPRISE");
    const partial = await here.erase("hazel", here.eraser(here.world.control, 100));
    expect(partial).toMatchObject({ status: "PARTIAL", removed: [] });
    expect(partial.unreachable[0]?.reason).toMatch(/placement move mov_\S+ does not end \(PREPARING\)/);
    expect((await here.remains("hazel"))["pool.documents"]).toBe(2);
  });

  test("twice is one erasure with one receipt; of a tenant that is not it is NOT_FOUND", async () => {
    await lived("iroko");
    const first = await here.erase("iroko");
    expect(await here.erase("iroko")).toEqual(first);
    await expect(here.begin("nobody")).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(here.begin("../x")).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  test("does not say COMPLETE over rows that nobody declared: it finds them and names them", async () => {
    await lived("juniper");
    const pool = deployment.client.db(`${here.world.prefix}_pool`);
    await pool.collection<{ _id: string; tenant_id: string }>("kept_by_a_later_version").insertOne({ _id: "juniper/x", tenant_id: "juniper" });
    const receipt = await here.erase("juniper");
    expect(receipt).toMatchObject({ status: "PARTIAL", unreachable: [{ store: "pool", reason: "Found again after it was removed: 1 rows of kept_by_a_later_version" }] });
    expect(receipt.verifiedAt).toBeUndefined();
    await pool.collection("kept_by_a_later_version").drop();
  });
});

describe("an erasure whose server is killed", () => {
  // PROOF_ERASURES=all dies at each step twice, before and after it takes effect; otherwise at every third, from one that is drawn.
  const whole = process.env["PROOF_ERASURES"] === "all";

  test("at any of its steps, before or after the step takes effect, is finished by the next and says the same", async () => {
    const unharmed = await erasedWithDeathAt("kapok-0", 0, "BEFORE");
    const points = unharmed.steps;
    expect(points).toBeGreaterThan(8);
    for (let at = whole ? 1 : 1 + Math.floor(Math.random() * 3); at <= points; at += whole ? 1 : 3) {
      for (const when of whole ? (["BEFORE", "AFTER"] as const) : [at % 2 === 0 ? ("BEFORE" as const) : ("AFTER" as const)]) {
        const id = `kapok-${at}-${when.toLowerCase()}`;
        const { receipt } = await erasedWithDeathAt(id, at, when);
        expect({ at, when, status: receipt.status, removed: nameless(receipt.removed, id), unreachable: receipt.unreachable }).toEqual({ at, when, status: "COMPLETE", removed: nameless(unharmed.receipt.removed, "kapok-0"), unreachable: [] });
        expect([id, withoutSecretNames(await here.remains(id))]).toEqual([id, withLedger]);
        expect(await here.stateOf(id)).toBe("ERASED");
      }
    }
  }, 120_000);
});

async function erasedWithDeathAt(id: string, at: number, when: "BEFORE" | "AFTER"): Promise<{ steps: number; receipt: Awaited<ReturnType<typeof here.erase>> }> {
  await lived(id);
  await moveTo(here.world, id, "ENTERPRISE");
  await here.begin(id);
  const dying = dyingEraser(here.world.control, at, when);
  await here.eraser(dying.control).drive();
  await here.expireLeases();
  await here.eraser().drive();
  return { steps: dying.steps(), receipt: await here.receipt(id) };
}

/** The counters of a minute are forgotten by whichever run comes first. */
function nameless(removed: readonly { store: string; what: string; count: number }[], id: string): readonly string[] {
  return removed.filter(({ store }) => store !== "counters").map(({ store, what, count }) => `${store.replace(id, "ID")}: ${what} ${count}`).toSorted();
}
