import { afterAll, beforeAll, expect, it } from "vitest";
import { RateLimiterMongo } from "rate-limiter-flexible";
import { engineFixture, type EngineFixture } from "./engine-fixture.js";

let engine: EngineFixture;

beforeAll(async () => {
  engine = await engineFixture();
  await engine.client.connect();
});
afterAll(() => engine.stop());

it("RateLimiterMongo admits exactly the limit under 50 parallel consumers", async () => {
  const limiter = new RateLimiterMongo({ storeClient: engine.client, dbName: "limits", tableName: "points", points: 10, duration: 60, disableIndexesCreation: true });
  // Left to itself the limiter makes its unique index beside the first upserts, which then may not see each other on any server.
  await limiter.createIndexes();
  for (const key of ["one", "two", "three"]) {
    const results = await Promise.allSettled(Array.from({ length: 50 }, () => limiter.consume(key)));
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(10);
    expect((await limiter.get(key))?.consumedPoints).toBe(50);
  }
});
