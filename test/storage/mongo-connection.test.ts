import { afterAll, beforeAll, expect, test } from "vitest";
import { connectMongo } from "../../src/storage/mongo-connection.js";
import { startGuardedEngine, rootLogin, type GuardedEngine } from "../support/silo-fixture.js";
import { recordingTelemetry } from "../support/tenants.js";

let engine: GuardedEngine;

beforeAll(async () => {
  engine = await startGuardedEngine();
});
afterAll(async () => {
  await engine.close();
});

test("a connection string can neither send reads to secondaries nor make writes less than durable", async () => {
  const separator = engine.uri.includes("?") ? "&" : engine.uri.endsWith("/") ? "?" : "/?";
  const uri = `${engine.uri}${separator}readPreference=secondaryPreferred&readPreferenceTags=dc:east&maxStalenessSeconds=120&w=1`;
  const client = await connectMongo({ uri, local: true, appName: "test", maxPoolSize: 1, telemetry: recordingTelemetry(), login: rootLogin });
  expect(client.readPreference.mode).toBe("primary");
  expect(client.db("any").collection("any").readPreference?.mode).toBe("primary");
  expect(client.writeConcern?.w).toBe("majority");
  await client.close();
});
