import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTestDeployment, type TestDeployment } from "../support/engine.js";
import { newChunk, newDocument, openTestHome, openTestStore, testEmbedding, untilSearchable } from "../support/homes.js";
import { contextOf, policies } from "../support/tenants.js";

const caps = policies.PRO;
const delayMs = 400;

describe("a deployment that indexes with a delay", () => {
  let deployment: TestDeployment;
  beforeAll(async () => {
    deployment = await startTestDeployment({ searchIndexDelayMs: delayMs });
  });
  afterAll(() => deployment.close());

  it("has its search index queryable before the home is open, and a version searchable only when search returns it", async () => {
    const home = await openTestHome(deployment, { suffix: "delay" });
    const [index] = await home.database.db.collection("chunks").listSearchIndexes("chunk_vectors").toArray();
    expect(index).toMatchObject({ queryable: true });
    const store = await openTestStore(home, contextOf("acme"));
    const { id } = await store.documents.add(newDocument(), caps);
    expect(await store.chunks.isSearchable(id, 0)).toBe(true);
    await store.documents.publish(id, [newChunk(0, [1, 0, 0, 0]), newChunk(1, [0, 1, 0, 0])], testEmbedding, caps);
    // A real deployment may be quick; the engine's switch makes the delay certain.
    if (deployment.local) {
      expect(await store.chunks.isSearchable(id, 1)).toBe(false);
      expect(await store.chunks.nearest(Float32Array.of(1, 0, 0, 0), 5, {})).toEqual([]);
    }
    await untilSearchable(store, id, 1);
    expect(await store.chunks.nearest(Float32Array.of(1, 0, 0, 0), 5, {})).toHaveLength(2);
    expect(await store.chunks.isSearchable(id, 2)).toBe(false);
  });

  it("calls a document searchable whose chunks are all alike", async () => {
    const store = await openTestStore(await openTestHome(deployment, { suffix: "delay" }), contextOf("alike"));
    const { id } = await store.documents.add(newDocument(), caps);
    await store.documents.publish(id, Array.from({ length: 1_100 }, (_, n) => newChunk(n, [1, 0, 0, 0])), testEmbedding, caps);
    await untilSearchable(store, id, 1);
  });

  it("refuses to search with a model that the tenant's chunks were not made with", async () => {
    const context = contextOf("mixed");
    const store = await openTestStore(await openTestHome(deployment, { suffix: "mixed" }), context);
    const { id } = await store.documents.add(newDocument(), caps);
    await store.documents.publish(id, [newChunk(0, [1, 0, 0, 0])], testEmbedding, caps);
    const embedding = { model: "another-model", dimensions: 4 };
    const later = (await openTestHome(deployment, { suffix: "mixed", embedding, serverId: "server-2" })).store(context, 1);
    await expect(later.chunks.nearest(Float32Array.of(1, 0, 0, 0), 5, {})).rejects.toMatchObject({ code: "CONFLICT" });
    const second = await later.documents.add(newDocument(), caps);
    await expect(later.documents.publish(second.id, [newChunk(0, [1, 0, 0, 0])], embedding, caps)).rejects.toMatchObject({ code: "CONFLICT" });
    // The way out: empty versions first, then the new vectors.
    await later.documents.publish(id, [], embedding, caps);
    await later.documents.publish(second.id, [newChunk(0, [0, 1, 0, 0])], embedding, caps);
    await later.documents.publish(id, [newChunk(0, [1, 0, 0, 0])], embedding, caps);
    await untilSearchable(later, id, 3);
    expect(await later.chunks.nearest(Float32Array.of(1, 0, 0, 0), 5, {})).toHaveLength(2);
  });
});
