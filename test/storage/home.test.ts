import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { closeFence, openFence } from "../../src/storage/fence.js";
import { dropHome } from "../../src/storage/home.js";
import { movingCollections } from "../../src/storage/moving/moving-collections.js";
import { startTestDeployment, type TestDeployment } from "../support/engine.js";
import { newChunk, newDocument, openTestHome, openTestStore, testEmbedding, untilSearchable } from "../support/homes.js";
import { contextOf, policies } from "../support/tenants.js";

const caps = policies.PRO;
const east = Float32Array.of(1, 0, 0, 0);
let deployment: TestDeployment;
beforeAll(async () => {
  deployment = await startTestDeployment();
});
afterAll(() => deployment.close());

describe("a home", () => {
  it("that is the pool cannot be dropped", async () => {
    const pool = await openTestHome(deployment, { suffix: "keep" });
    const store = await openTestStore(pool, contextOf("acme"));
    const { id } = await store.documents.add(newDocument(), caps);
    await expect(dropHome(pool)).rejects.toMatchObject({ code: "INTERNAL" });
    expect(await store.documents.get(id)).toBeDefined();
  });

  it("that is a silo is dropped with all it holds, and comes back empty", async () => {
    const silo = await openTestHome(deployment, { suffix: "drop", owner: "acme" });
    const store = await openTestStore(silo, contextOf("acme"));
    const { id } = await store.documents.add(newDocument(), caps);
    await store.documents.publish(id, [newChunk(0, [1, 0, 0, 0])], testEmbedding, caps);
    await dropHome(silo);
    const again = await openTestStore(await openTestHome(deployment, { suffix: "drop", owner: "acme" }), contextOf("acme"));
    expect(await again.documents.get(id)).toBeUndefined();
    expect(await again.documents.totals()).toEqual({ documents: 0, chunks: 0, bytes: 0 });
    expect(await again.chunks.nearest(east, 5, {})).toEqual([]);
  });

  it("takes another home's rows as they are: the tenant answers the same from them, and only there", async () => {
    const context = contextOf("acme");
    const pool = await openTestHome(deployment, { suffix: "from" });
    const before = await openTestStore(pool, context);
    const { id } = await before.documents.add(newDocument({ tags: ["x"], raw: Buffer.from("The whole text") }), caps);
    await before.documents.publish(id, [newChunk(0, [1, 0, 0, 0], { terms: ["alpha"], termCounts: [2] })], testEmbedding, caps);
    const conversation = await before.conversationsOf(context.userId).start("Talk");
    await before.conversationsOf(context.userId).append(conversation.id, { question: "q", answer: "a" });
    await closeFence(pool.database, context.tenantId, 1);

    const silo = await openTestHome(deployment, { suffix: "to", owner: "acme" });
    for (const name of movingCollections) {
      const rows = await pool.database.db.collection(name).find({ tenant_id: context.tenantId }, { promoteValues: false }).toArray();
      if (rows.length > 0) await silo.database.db.collection(name).insertMany(rows);
    }
    await openFence(silo.database, context.tenantId, 2);
    const after = silo.store(context, 2);
    await untilSearchable(after, id, 1);
    expect(await after.documents.get(id)).toEqual(await before.documents.get(id));
    expect(Buffer.from((await after.documents.raw(id)) ?? []).toString()).toBe("The whole text");
    expect(await after.documents.totals()).toEqual(await before.documents.totals());
    expect(await after.chunks.statistics()).toEqual(await before.chunks.statistics());
    expect(await after.chunks.nearest(east, 5, { tags: ["x"] })).toEqual(await before.chunks.nearest(east, 5, { tags: ["x"] }));
    expect(await after.chunks.withAnyTerm(["alpha"], 5, {})).toEqual(await before.chunks.withAnyTerm(["alpha"], 5, {}));
    expect(await after.conversationsOf(context.userId).latest(conversation.id, 5)).toEqual(await before.conversationsOf(context.userId).latest(conversation.id, 5));
    // Writes go on from where the rows are: the totals were moved, not begun again.
    await after.documents.add(newDocument(), caps);
    expect(await after.documents.totals()).toMatchObject({ documents: 2 });
    await expect(before.documents.add(newDocument(), caps)).rejects.toMatchObject({ name: "FenceRefused" });
  });
});
