import { MongoClient } from "mongodb";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readDeclarations, searchDefinition } from "../../src/storage/collection-declaration.js";
import { declareCollections } from "../../src/storage/declare-collections.js";
import { movingCollections, stayingCollections } from "../../src/storage/moving/moving-collections.js";
import { startTestDeployment, type TestDeployment } from "../support/engine.js";
import { homeOptions, testEmbedding } from "../support/homes.js";

let deployment: TestDeployment;
let watched: MongoClient;
beforeAll(async () => {
  deployment = await startTestDeployment();
  watched = new MongoClient(deployment.uri, { monitorCommands: true });
});
afterAll(async () => {
  await watched.close();
  await deployment.close();
});

/** Commands that a declaration may only send when something changed. */
const changing = new Set(["create", "collMod", "createIndexes", "dropIndexes", "createSearchIndexes", "updateSearchIndex", "insert", "update", "delete"]);

async function commandsOf(work: () => Promise<void>): Promise<string[]> {
  const names: string[] = [];
  const note = ({ commandName }: { commandName: string }): void => void names.push(commandName);
  watched.on("commandStarted", note);
  await work();
  watched.off("commandStarted", note);
  return names.filter((name) => changing.has(name));
}

describe("the declarations in schema/collections", () => {
  it("start every index of a tenant's collection with the tenant, the search index too", async () => {
    for (const declaration of await readDeclarations("TENANT")) {
      for (const index of declaration.indexes) {
        if (index.expireAfterSeconds === undefined) expect([declaration.collection, index.name, Object.keys(index.key)[0]]).toEqual([declaration.collection, index.name, "tenant_id"]);
      }
      for (const search of declaration.searchIndexes ?? []) expect(search.definition.fields[0]).toEqual({ type: "filter", path: "tenant_id" });
    }
  });

  it("expire no rows of a tenant by themselves: a mover could not follow that", async () => {
    const expiring = (await readDeclarations("TENANT")).flatMap((declaration) => declaration.indexes.filter((index) => index.expireAfterSeconds !== undefined));
    expect(expiring).toEqual([]);
  });

  it("give the pool a flat vector index of the embedder's dimensions, and a silo the deployment's own", async () => {
    const search = (await readDeclarations("TENANT")).find((declaration) => declaration.collection === "chunks")?.searchIndexes?.[0];
    if (search === undefined) throw new Error("The chunks declare no search index");
    expect(searchDefinition(search, "POOL", { model: "m", dimensions: 7 }).fields.at(-1)).toEqual({ type: "vector", path: "vector", similarity: "cosine", numDimensions: 7, indexingMethod: "flat" });
    expect(searchDefinition(search, "SILO", { model: "m", dimensions: 7 }).fields.at(-1)).toEqual({ type: "vector", path: "vector", similarity: "cosine", numDimensions: 7 });
  });
});

describe("declaring the collections of a database", () => {
  it("makes them once, tells about it, and writes nothing when nothing has changed", async () => {
    const db = watched.db(deployment.database("declare"));
    const told: string[] = [];
    await declareCollections(db, "TENANT", "POOL", testEmbedding, (message) => told.push(message));
    expect(told.filter((message) => message.startsWith("Creating the collection"))).toHaveLength(movingCollections.length + Object.keys(stayingCollections).length);
    const names = (await db.listCollections().toArray()).map((found) => found.name);
    expect(names).toEqual(expect.arrayContaining(["documents", "raw_documents", "chunks", "conversations", "messages", "fences", "tombstones", "totals"]));
    told.length = 0;
    expect(await commandsOf(() => declareCollections(db, "TENANT", "POOL", testEmbedding, (message) => told.push(message)))).toEqual([]);
    expect(told).toEqual([]);
  });

  it("is done by two servers at the same moment without a failure", async () => {
    const db = watched.db(deployment.database("race"));
    await Promise.all(Array.from({ length: 4 }, () => declareCollections(db, "TENANT", "POOL", testEmbedding)));
    expect(await commandsOf(() => declareCollections(db, "TENANT", "POOL", testEmbedding))).toEqual([]);
  });

  it("makes an index anew when its key differs, and puts a changed validator right", async () => {
    const db = watched.db(deployment.database("repair"));
    await declareCollections(db, "TENANT", "POOL", testEmbedding);
    await db.collection("documents").dropIndex("by_state");
    await db.collection("documents").createIndex({ tenant_id: 1, title: 1 }, { name: "by_state" });
    await db.command({ collMod: "messages", validator: {} });
    expect(await commandsOf(() => declareCollections(db, "TENANT", "POOL", testEmbedding))).toEqual(expect.arrayContaining(["collMod", "dropIndexes", "createIndexes"]));
    const index = (await db.collection("documents").listIndexes().toArray()).find((found) => found["name"] === "by_state");
    expect(Object.keys((index?.["key"] ?? {}) as object)).toEqual(["tenant_id", "state", "created_at"]);
    await expect(db.collection("messages").insertOne({ tenant_id: "acme" })).rejects.toMatchObject({ code: 121 });
  });

  it("lets no row without a tenant into any collection of tenants", async () => {
    const { database } = homeOptions(deployment, { suffix: "declare" });
    for (const declaration of await readDeclarations("TENANT")) {
      await expect(watched.db(database).collection(declaration.collection).insertOne({ seq: 1, stripe: "s" })).rejects.toMatchObject({ code: 121 });
    }
  });

  it("changes the vector index when the embedder has other dimensions", async () => {
    const db = watched.db(deployment.database("dims"));
    await declareCollections(db, "TENANT", "POOL", testEmbedding);
    expect(await commandsOf(() => declareCollections(db, "TENANT", "POOL", { model: "other", dimensions: 8 }))).toEqual(["updateSearchIndex"]);
    const [index] = await db.collection("chunks").listSearchIndexes("chunk_vectors").toArray();
    expect(index).toMatchObject({ queryable: true, latestDefinition: { fields: expect.arrayContaining([expect.objectContaining({ numDimensions: 8 })]) as unknown } });
  });
});
