import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startStubModelServer, type StubModelServer } from "../support/stub-model-server.js";
import { TestServer } from "./server.js";

const repositoryTenants = fileURLToPath(new URL("../../tenants", import.meta.url));
const admin = { tenant: "maple" } as const;
const asked = `mutation { ask(input: { question: "How long is the notice period?", skipCache: true }) { __typename ... on Answer { text model } ... on Refusal { code } } }`;

describe("a pool of two back ends of which the first is down", () => {
  let folder: string;
  let first: StubModelServer;
  let second: StubModelServer;
  let server: TestServer;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "bulkhead-models-"));
    for (const file of ["tiers.json", "prices.json"]) cpSync(join(repositoryTenants, file), join(folder, file));
    writeFileSync(join(folder, "tenants.json"), "[]");
    [first, second] = await Promise.all([startStubModelServer(), startStubModelServer()]);
    const endpoints = [
      { name: "first", baseUrl: first.baseUrl, apiKeyEnv: "FIRST_API_KEY", models: ["house"], concurrency: 4 },
      { name: "second", baseUrl: second.baseUrl, models: [{ name: "house", upstreamName: "house-2" }], concurrency: 4, priority: 1, cacheSalt: true },
    ];
    writeFileSync(join(folder, "models.json"), JSON.stringify({ models: [{ name: "embedded-extractive", kind: "EMBEDDED", contextTokens: 8_000 }], endpoints }));
    server = await TestServer.start({ FIRST_API_KEY: "key-of-first" }, { tenantsFolder: folder });
    await server.createTenant("maple", "PRO");
    await server.ingest(admin, "Handbook", "The notice period of Maple is six weeks to the end of a month.");
  });
  afterAll(async () => {
    await server.stop();
    await Promise.all([first.close(), second.close()]);
    rmSync(folder, { recursive: true, force: true });
  });

  test("answers from the second, and each gets its own key and name for the model", async () => {
    first.behave("http-503");
    const { ask } = await server.must(admin, asked);
    expect(ask).toMatchObject({ __typename: "Answer", model: "house", text: expect.stringContaining("six weeks") });
    expect(first.requests[0]).toMatchObject({ authorization: "Bearer key-of-first", body: { model: "house" } });
    expect(second.requests[0]).toMatchObject({ authorization: undefined, body: { model: "house-2", cache_salt: expect.stringMatching(/^salt_/u) } });
  });

  test("bills the call once, for what the second used", async () => {
    const { usage } = await server.must(admin, "{ usage(input: { groupBy: MODEL }) { groups { key total { calls promptTokens } } } }");
    expect(usage?.["groups"]).toContainEqual({ key: "house", total: { calls: 1, promptTokens: 123 } });
  });

  test("shows an operator which back end fails, and how", async () => {
    const metrics = await (await fetch(new URL("/metrics", server.url))).text();
    expect(metrics).toMatch(/bulkhead_model_attempts_total\{endpoint="first",outcome="SERVER_ERROR"\} 1/u);
    expect(metrics).toMatch(/bulkhead_model_attempts_total\{endpoint="second",outcome="OK"\} 1/u);
  });

  test("does not start without a key that it names, and says so in one line", async () => {
    await expect(TestServer.start({}, { tenantsFolder: folder })).rejects.toThrow(/^FIRST_API_KEY: got nothing, expected the key of the endpoint first[^\n]*$/u);
  });
});
