import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startStubModelServer, type StubModelServer } from "../support/stub-model-server.js";
import { listOf, TestServer, until, type Json } from "./server.js";

const repositoryTenants = fileURLToPath(new URL("../../tenants", import.meta.url));
const asked = "mutation ($q: String!) { ask(input: { question: $q, skipCache: true }) { __typename ... on Refusal { code limit } } }";
const attribution = `query ($input: LatencyAttributionInput!) { latencyAttribution(input: $input) {
  requests
  verdict { scope stage summary slowTenants { id } because { tenant { id } work share ms } }
  stages { name share meanMs p95Ms }
  tenants { tenant { id } requests p95Ms baselineP95Ms stages { name share } queueHeldBy { tenant { id } work share ms } }
} }`;
const heatmap = "query ($input: HeatmapInput!) { heatmap(input: $input) { unit columns max rows { tenant { id } total cells refusals } suggestions { tenant { id } placement reason } } }";

/** Calls of 40 ms, one at a time: whoever asks more has a line. */
describe("one tenant's flood in a real server", () => {
  let folder: string;
  let model: StubModelServer;
  let server: TestServer;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "bulkhead-attribution-"));
    cpSync(join(repositoryTenants, "prices.json"), join(folder, "prices.json"));
    // Enough for a flood, which is not to end at its own limits here.
    const tiers = JSON.parse(readFileSync(join(repositoryTenants, "tiers.json"), "utf8")) as Record<string, Record<string, unknown>>;
    for (const tier of Object.values(tiers)) Object.assign(tier, { requestsPerMinute: 100_000, tokensPerMinute: 100_000_000, budgetDayMicroUsd: 1_000_000_000, budgetMonthMicroUsd: 1_000_000_000, concurrentCalls: 100 });
    writeFileSync(join(folder, "tiers.json"), JSON.stringify(tiers));
    writeFileSync(join(folder, "tenants.json"), "[]");
    model = await startStubModelServer();
    model.behave("slow", "Weeks.");
    writeFileSync(join(folder, "models.json"), JSON.stringify({ models: [{ name: "embedded-extractive", kind: "EMBEDDED", contextTokens: 8_000 }], endpoints: [{ name: "only", baseUrl: model.baseUrl, models: ["house"], concurrency: 1 }] }));
    server = await TestServer.start({}, { tenantsFolder: folder });
    await server.createTenant("victim", "FREE");
    await server.createTenant("flooder", "PRO");
    for (const tenant of ["victim", "flooder"]) await server.ingest({ tenant }, "Handbook", "The notice period is six weeks to the end of a month.");
  }, 60_000);
  afterAll(async () => {
    await server.stop();
    await model.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** So many questions one after another, from each of the callers. */
  async function ask(tenant: string, callers: number, questions: number, isOver = () => false): Promise<void> {
    const one = async (caller: number): Promise<void> => {
      for (let at = 0; at < questions && !isOver(); at += 1) {
        const { ask: answer } = await server.must({ tenant }, asked, { q: `How long is the notice period, ${caller} ${at}?` });
        if (String(answer?.["__typename"]) !== "Answer") throw new Error(`Refused: ${JSON.stringify(answer)}`);
      }
    };
    await Promise.all(Array.from({ length: callers }, (_, caller) => one(caller)));
  }

  it("is named as the reason for what its neighbour waits for, and the neighbour as slow", async () => {
    const from = new Date().toISOString();
    let isOver = false;
    const flood = ask("flooder", 24, 1_000, () => isOver);
    await until(() => Promise.resolve(model.requests.length > 5 ? true : undefined));
    await ask("victim", 4, 8);
    isOver = true;
    await flood;
    // Within 10 s of the last request every server has written its part.
    const found = await until(async () => {
      const { latencyAttribution } = await server.must("operator", attribution, { input: { from } });
      return listOf(latencyAttribution?.["tenants"]).some((tenant) => String(tenant["tenant"]?.["id"]) === "victim" && Number(tenant["requests"]) >= 32) ? latencyAttribution : undefined;
    });
    const verdict = found?.["verdict"] as Json;
    expect(listOf(verdict["slowTenants"]).map(({ id }) => id)).toContain("victim");
    expect(verdict["stage"]).toBe("queue_wait");
    expect(listOf(verdict["because"])[0]).toMatchObject({ tenant: { id: "flooder" }, work: "INTERACTIVE" });
    expect(Number(listOf(verdict["because"])[0]?.["share"])).toBeGreaterThan(0.5);
    expect(verdict["summary"]).toContain("flooder's INTERACTIVE work held");
    const victim = listOf(found?.["tenants"]).find((tenant) => String(tenant["tenant"]?.["id"]) === "victim") as Json;
    expect(listOf(victim["queueHeldBy"])[0]).toMatchObject({ tenant: { id: "flooder" } });
    const shares = listOf(victim["stages"]).map((stage) => [String(stage["name"]), Number(stage["share"])] as const);
    expect(shares.reduce((sum, [, share]) => sum + share, 0)).toBeCloseTo(1, 6);
    expect(shares.find(([name]) => name === "other")?.[1] ?? 0).toBeLessThan(0.05);
  }, 60_000);

  async function heatmapOf(measure: string): Promise<Json> {
    return (await server.must("operator", heatmap, { input: { measure } }))["heatmap"] as Json;
  }

  it("stands in the heatmap of cost, of requests and of waits; nobody is shown to a tenant", async () => {
    expect(listOf((await heatmapOf("REQUESTS"))["rows"])[0]).toMatchObject({ tenant: { id: "flooder" } });
    const tokens = await heatmapOf("TOKENS");
    expect(listOf(tokens["rows"]).map((row) => row["tenant"]?.["id"])).toEqual(["flooder", "victim"]);
    expect(Number(listOf(tokens["rows"])[0]?.["total"])).toBeGreaterThan(1_000);
    expect(listOf((await heatmapOf("COST"))["columns"]).length).toBeGreaterThanOrEqual(24);
    expect(Number((await heatmapOf("QUEUE_WAIT"))["max"])).toBeGreaterThan(20);
    expect(Number((await heatmapOf("LATENCY_P95"))["max"])).toBeGreaterThan(40);
    for (const query of [heatmap, attribution]) {
      const refused = await server.ask({ tenant: "victim" }, query, { input: query === heatmap ? { measure: "COST" } : {} });
      expect(refused.errors[0]?.extensions["code"]).toBe("FORBIDDEN");
      expect(refused.text).not.toContain("flooder");
    }
  });

  it.each([
    [heatmap, { measure: "COST", bucketMinutes: 5 }], [heatmap, { measure: "REQUESTS", bucketMinutes: 7 }], [heatmap, { measure: "REQUESTS", bucketMinutes: 0 }], [heatmap, { measure: "REQUESTS", bucketMinutes: 5, from: "2026-01-01T00:00:00Z" }],
    [heatmap, { measure: "COST", first: 0 }], [heatmap, { measure: "COST", from: "2026-01-02T00:00:00Z", to: "2026-01-01T00:00:00Z" }], [attribution, { from: "2026-01-02T00:00:00Z", to: "2026-01-01T00:00:00Z" }], [attribution, { tenantId: "NOT AN ID" }],
  ])("%s with %j is refused", async (query, input) => {
    expect((await server.ask("operator", query, { input })).errors[0]?.extensions["code"]).toMatch(/^(BAD_USER_INPUT|NOT_FOUND)$/u);
  });
});
