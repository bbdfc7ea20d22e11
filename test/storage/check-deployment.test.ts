import { MongoServerError, type MongoClient } from "mongodb";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkDeployment } from "../../src/storage/check-deployment.js";
import { connectMongo } from "../../src/storage/mongo-connection.js";
import { startTestDeployment, type TestDeployment } from "../support/engine.js";
import { recordingTelemetry } from "../support/tenants.js";

/** A server that says this of itself. Such servers cannot be had on a bare machine. */
function serverThat(says: { hello: object; version: string; search?: number }): MongoClient {
  const db = {
    command: async (command: object) => ("hello" in command ? says.hello : { version: says.version }),
    collection: () => ({
      aggregate: () => ({
        toArray: async () => {
          if (says.search !== undefined) throw new MongoServerError({ message: "secret text of the server", code: says.search });
          return [];
        },
      }),
    }),
  };
  return { db: () => db } as unknown as MongoClient;
}

const replicaSet = { setName: "rs0", logicalSessionTimeoutMinutes: 30 };

describe("a deployment that cannot keep the guarantees", () => {
  it.each([
    ["standalone", { hello: { logicalSessionTimeoutMinutes: 30 }, version: "8.2.1" }, "a standalone server, version 8.2.1"],
    ["without sessions", { hello: { setName: "rs0" }, version: "8.2.1" }, "a standalone server"],
    ["too old", { hello: replicaSet, version: "7.0.14" }, "version 7.0.14"],
    ["without search", { hello: replicaSet, version: "8.0.4", search: 31_082 }, "a server without vector search"],
    ["with an unknown stage", { hello: replicaSet, version: "8.0.4", search: 40_324 }, "a server without vector search"],
  ])("is refused in one line that names what is needed: %s", async (_, says, got) => {
    const refusal = checkDeployment(serverThat(says));
    await expect(refusal).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE", message: expect.stringContaining(got) as unknown });
    await expect(refusal).rejects.toMatchObject({ message: expect.stringMatching(/^[^\n]*Atlas Local \(8\.0 or later\)[^\n]*Community 8\.2 or later[^\n]*mongot$/) as unknown });
    await expect(refusal).rejects.not.toMatchObject({ message: expect.stringContaining("secret") as unknown });
  });

  it.each([
    ["a replica set", { hello: replicaSet, version: "8.2.0" }],
    ["a sharded cluster", { hello: { msg: "isdbgrid", logicalSessionTimeoutMinutes: 30 }, version: "8.0.0" }],
    ["one without the collection yet", { hello: replicaSet, version: "10.0.0", search: 26 }],
  ])("is not: %s", async (_, says) => {
    await expect(checkDeployment(serverThat(says))).resolves.toBeUndefined();
  });
});

describe("the deployment of these suites", () => {
  let deployment: TestDeployment;
  beforeAll(async () => {
    deployment = await startTestDeployment();
  });
  afterAll(() => deployment.close());

  it("is fit", async () => {
    await expect(checkDeployment(deployment.client, deployment.database("check"))).resolves.toBeUndefined();
  });

  it("is asked for compression when it is remote, with one line that says what came of it", async () => {
    const telemetry = recordingTelemetry();
    const client = await connectMongo({ uri: deployment.uri, local: false, appName: "test", maxPoolSize: 2, telemetry });
    expect(client.options.compressors).toEqual(expect.arrayContaining(["zstd", "zlib"]));
    expect(await client.db("admin").command({ ping: 1 })).toMatchObject({ ok: 1 });
    expect(telemetry.logs).toEqual([{ level: "info", message: "Connected to the database", fields: { compression: expect.stringMatching(/^(zstd|zlib|none)$/) as unknown, offered: "zstd,zlib" } }]);
    await client.close();
  });

  it("is not asked for compression over the local socket", async () => {
    const telemetry = recordingTelemetry();
    const client = await connectMongo({ uri: deployment.uri, local: true, appName: "test", maxPoolSize: 2, telemetry });
    expect(client.options.compressors.filter((name) => name !== "none")).toEqual([]);
    expect(telemetry.logs).toEqual([]);
    await client.close();
  });
});

describe("a server that is not there", () => {
  it("is reported as unavailable within the bound, without its address", async () => {
    const startedAt = performance.now();
    const connecting = connectMongo({ uri: "mongodb://127.0.0.1:1/?directConnection=true", local: true, appName: "test", maxPoolSize: 2, telemetry: recordingTelemetry() });
    await expect(connecting).rejects.toMatchObject({ code: "SERVICE_UNAVAILABLE", message: "The database does not answer", details: { retryable: true } });
    expect(performance.now() - startedAt).toBeLessThan(7_000);
  });
});
