import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { setTimeout as sleep } from "node:timers/promises";
import { randomBytes } from "node:crypto";
import type { TenantContext } from "../../src/tenancy/tenant-context.js";
import { FenceRefused, closeFence, openFence, takeFence, type StoredFence } from "../../src/storage/fence.js";
import type { TenantHome } from "../../src/storage/home.js";
import { startTestDeployment, type TestDeployment } from "../support/engine.js";
import { newDocument, openTestHome } from "../support/homes.js";
import { contextOf, policies } from "../support/tenants.js";

const caps = policies.PRO;
let deployment: TestDeployment;
let home: TenantHome;
/** A second server: a client and a stripe of its own on the same database. */
let other: TenantHome;

beforeAll(async () => {
  deployment = await startTestDeployment();
  home = await openTestHome(deployment, { suffix: "fence", serverId: "server-1" });
  other = await openTestHome(deployment, { suffix: "fence", serverId: "server-2", client: await deployment.connect() });
});
afterAll(() => deployment.close());

function freshTenant(): TenantContext {
  return contextOf(`t${randomBytes(6).toString("hex")}`);
}

function idsOf(context: TenantContext): Promise<readonly unknown[]> {
  return home.database.db.collection("conversations").find({ tenant_id: context.tenantId }).sort({ _id: 1 }).map((row) => row._id).toArray();
}

function start(on: TenantHome, context: TenantContext, epoch: number): Promise<unknown> {
  return on.store(context, epoch).conversationsOf(context.userId).start("x");
}

describe("the fence of a tenant", () => {
  it("admits nobody before it is opened", async () => {
    const context = freshTenant();
    await expect(start(home, context, 1)).rejects.toBeInstanceOf(FenceRefused);
    expect(await idsOf(context)).toEqual([]);
  });

  it("opens once, however often it is asked, and never for a second epoch at the same time", async () => {
    const context = freshTenant();
    await Promise.all(Array.from({ length: 5 }, () => openFence(home.database, context.tenantId, 3)));
    await openFence(home.database, context.tenantId, 3);
    await expect(openFence(home.database, context.tenantId, 2)).rejects.toMatchObject({ code: "CONFLICT" });
    await expect(openFence(home.database, context.tenantId, 4)).rejects.toMatchObject({ code: "CONFLICT" });
    await start(home, context, 3);
    await closeFence(home.database, context.tenantId, 3);
    await expect(openFence(home.database, context.tenantId, 2)).rejects.toMatchObject({ code: "CONFLICT" });
    await expect(closeFence(home.database, context.tenantId, 2)).rejects.toMatchObject({ code: "CONFLICT" });
  });

  it("refuses every write method of a stale epoch and of a future one, and writes nothing", async () => {
    const context = freshTenant();
    await openFence(home.database, context.tenantId, 2);
    const current = home.store(context, 2);
    const { id } = await current.documents.add(newDocument(), caps);
    const conversation = await current.conversationsOf(context.userId).start("x");
    const before = await current.documents.get(id);
    for (const epoch of [1, 3]) {
      const stale = home.store(context, epoch);
      const talk = stale.conversationsOf(context.userId);
      const writes: (() => Promise<unknown>)[] = [
        () => stale.documents.add(newDocument(), caps),
        () => stale.documents.publish(id, [], { model: "test-model", dimensions: 4 }, caps),
        () => stale.documents.markReady(id, 0),
        () => stale.documents.markFailed(id, { code: "INTERNAL", message: "x" }),
        () => stale.documents.retry(id),
        () => stale.documents.remove(id),
        () => talk.start("y"),
        () => talk.append(conversation.id, { question: "q", answer: "a" }),
        () => talk.clear(conversation.id),
      ];
      for (const write of writes) await expect(write()).rejects.toBeInstanceOf(FenceRefused);
    }
    expect(await current.documents.get(id)).toEqual(before);
    expect(await current.documents.totals()).toMatchObject({ documents: 1 });
    expect(await current.conversationsOf(context.userId).latest(conversation.id, 5)).toEqual([]);
  });

  it("serves reads while it is closed", async () => {
    const context = freshTenant();
    await openFence(home.database, context.tenantId, 1);
    const store = home.store(context, 1);
    const { id } = await store.documents.add(newDocument(), caps);
    await closeFence(home.database, context.tenantId, 1);
    expect(await store.documents.get(id)).toBeDefined();
  });

  it("opens again for the same epoch, as after a cancelled move, and numbers go on", async () => {
    const context = freshTenant();
    await openFence(home.database, context.tenantId, 1);
    await start(home, context, 1);
    const stripes = home.database.db.collection<StoredFence>("fences");
    const seq = async (): Promise<number> => (await stripes.findOne({ _id: { tenant: context.tenantId, stripe: "server-1" } }))?.seq ?? -1;
    const before = await seq();
    await closeFence(home.database, context.tenantId, 1);
    await expect(start(home, context, 1)).rejects.toBeInstanceOf(FenceRefused);
    await openFence(home.database, context.tenantId, 1);
    await start(home, context, 1);
    expect(await seq()).toBeGreaterThan(before);
    await closeFence(home.database, context.tenantId, 1);
    await openFence(home.database, context.tenantId, 2);
    await start(home, context, 2);
    expect(await seq()).toBeGreaterThan(before + 1);
  });

  it("is not closed for a mover while a writer that took it has not ended, and that writer's rows are seen", async () => {
    const context = freshTenant();
    await openFence(home.database, context.tenantId, 1);
    await start(home, context, 1);
    const session = deployment.client.startSession();
    session.startTransaction({ writeConcern: { w: "majority" } });
    expect(await takeFence(home.database, session, { tenantId: context.tenantId, stripe: "server-1", epoch: 1 }, 1)).toBe(2);
    let closed = false;
    const closing = closeFence(home.database, context.tenantId, 1).then(() => (closed = true));
    await sleep(150);
    expect(closed).toBe(false);
    const paused = { _id: `${context.tenantId}/paused`, tenant_id: context.tenantId, user_id: "u", title: "t", turns: 0, created_at: new Date(), updated_at: new Date(), stripe: "server-1", seq: 2 };
    await home.database.db.collection<typeof paused>("conversations").insertOne(paused, { session });
    await session.commitTransaction();
    await session.endSession();
    await closing;
    expect(await idsOf(context)).toContain(paused._id);
  });

  it("fails a writer that was paused between opening its transaction and taking the fence", async () => {
    const context = freshTenant();
    await openFence(home.database, context.tenantId, 1);
    await start(home, context, 1);
    const session = deployment.client.startSession();
    session.startTransaction({ readConcern: { level: "snapshot" }, writeConcern: { w: "majority" } });
    // The snapshot is of before the closing: what the transaction read says that it may write.
    expect(await home.database.db.collection("conversations").countDocuments({ tenant_id: context.tenantId }, { session })).toBe(1);
    await closeFence(home.database, context.tenantId, 1);
    const outcome = await takeFence(home.database, session, { tenantId: context.tenantId, stripe: "server-1", epoch: 1 }, 1).catch((error: unknown) => error);
    expect(outcome === undefined || outcome instanceof Error).toBe(true);
    await session.endSession();
  });

  it("lets nothing in after closing, whatever the interleaving of two servers' writes and the mover", async () => {
    const delays = fc.integer({ min: 0, max: 12 });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.record({ second: fc.boolean(), delay: delays }), { minLength: 1, maxLength: 8 }), delays, fc.boolean(), async (writes, closeDelay, warm) => {
        const context = freshTenant();
        await openFence(home.database, context.tenantId, 1);
        // Warm servers have their stripes; cold ones race the mover to make them.
        if (warm) await Promise.all([start(home, context, 1), start(other, context, 1)]);
        const outcomes = writes.map(async ({ second, delay }) => {
          await sleep(delay);
          return start(second ? other : home, context, 1).then(() => "WRITTEN" as const, (error: unknown) => error);
        });
        await sleep(closeDelay);
        await closeFence(home.database, context.tenantId, 1);
        const atClosing = await idsOf(context);
        const settled = await Promise.all(outcomes);
        expect(settled.filter((outcome) => outcome !== "WRITTEN" && !(outcome instanceof FenceRefused))).toEqual([]);
        expect(atClosing).toHaveLength(settled.filter((outcome) => outcome === "WRITTEN").length + (warm ? 2 : 0));
        expect(await idsOf(context)).toEqual(atClosing);
      }),
      { numRuns: 25 },
    );
  });
});
