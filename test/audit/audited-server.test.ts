/** The audit in the whole server: a sound one passes, by the operator's own door, and nobody else reaches its tenants. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { listOf, TestServer, until, type Json } from "../acceptance/server.js";

const reportFields = "id trigger state probes leaks recall failure startedAt finishedAt surfaces { name probes leaks recall } coverage { fields covered uncovered } findings { surface operation description }";

describe("an isolation audit of a sound server", () => {
  let server: TestServer;
  let report: Json;

  const audit = async (probes: number): Promise<Json> => {
    const begun = await server.must("operator", "mutation ($probes: Int) { runIsolationAudit(input: { probes: $probes }) { report { id state } } }", { probes });
    const id = begun["runIsolationAudit"]?.["report"]?.["id"];
    return until(async () => {
      const { isolationReport } = await server.must("operator", `query ($id: ID) { isolationReport(id: $id) { ${reportFields} } }`, { id });
      return String(isolationReport?.["state"]) === "RUNNING" ? undefined : isolationReport;
    }, 90_000);
  };

  beforeAll(async () => {
    // With its lines of requests, which are looked at as well.
    server = await TestServer.start({ LOG_LEVEL: "info" });
    report = await audit(500);
  }, 120_000);
  afterAll(() => server.stop());

  test("passes: no leak, every canary found by its owner, every field of the schema covered", () => {
    expect(report).toMatchObject({ state: "PASSED", trigger: "MANUAL", leaks: 0, recall: 1, failure: null, findings: [], coverage: { uncovered: [] } });
    expect(report["coverage"]?.["covered"]).toBe(report["coverage"]?.["fields"]);
    expect(Number(report["probes"])).toBeGreaterThanOrEqual(500);
  });

  test("has looked at every surface", () => {
    const names = listOf(report["surfaces"]).map((surface) => String(surface["name"]));
    expect(names).toEqual(expect.arrayContaining(["adapters", "control plane", "conversations", "cursors", "documents", "errors", "idempotency", "injection", "ledger", "lists", "loaders", "logs", "metric labels", "model requests", "passages", "semantic cache", "statistics", "streams", "timing"]));
  });

  test("leaves nothing with its tenants, and the next one begins anew", async () => {
    const second = await audit(500);
    expect(second).toMatchObject({ state: "PASSED", recall: 1 });
    const { isolationReports } = await server.must("operator", "{ isolationReports(first: 1) { nodes { id } pageInfo { hasNextPage endCursor } } }");
    expect(isolationReports?.["nodes"]).toEqual([{ id: second["id"] }]);
    const older = await server.must("operator", "query ($after: String) { isolationReports(after: $after) { nodes { id } } }", { after: isolationReports?.["pageInfo"]?.["endCursor"] });
    expect(older["isolationReports"]?.["nodes"]).toEqual([{ id: report["id"] }]);
  }, 120_000);

  test("an audit that is under way is given to whoever asks for another", async () => {
    const ask = "mutation { runIsolationAudit { report { id } } }";
    const [first, again] = [await server.must("operator", ask), await server.must("operator", ask)];
    expect(again).toEqual(first);
    await until(async () => (String((await server.must("operator", "query ($id: ID) { isolationReport(id: $id) { state } }", { id: first["runIsolationAudit"]?.["report"]?.["id"] }))["isolationReport"]?.["state"]) === "RUNNING" ? undefined : true), 90_000);
  }, 120_000);

  test("is what `npm run audit` follows to its end, and tells as one JSON object", async () => {
    const child = spawn(process.execPath, ["--import", "tsx", "scripts/audit.ts", "--json", "--probes", "100", "--url", server.url], { cwd: resolve(import.meta.dirname, "../.."), env: { PATH: process.env["PATH"], HOME: process.env["HOME"], DATA_DIR: server.dataDir } });
    let out = "";
    child.stdout.on("data", (part: Buffer) => (out += part.toString()));
    const [code] = (await once(child, "close")) as [number | null];
    expect(JSON.parse(out)).toMatchObject({ state: "PASSED", leaks: 0, recall: 1 });
    expect(code).toBe(0);
  }, 120_000);

  test.each([
    ["a member's GraphQL", async () => (await server.ask({ tenant: "audit-probe-a" }, "{ viewer { user } }")).status],
    ["an upload", async () => (await fetch(`${server.url}/documents`, { method: "POST", headers: { authorization: `Bearer ${await server.token({ tenant: "audit-probe-a" })}` }, body: "text" })).status],
    ["a file of weights", async () => (await fetch(`${server.url}/adapters?name=a&baseModel=b`, { method: "POST", headers: { authorization: `Bearer ${await server.token({ tenant: "audit-probe-silo" })}` }, body: "text" })).status],
  ])("no token speaks for its tenants, however well it is signed: %s", async (_name, ask) => {
    expect(await ask()).toBe(401);
  });

  test.each(["audit-probe-a", "audit-probe-x"])("nobody can be a tenant by the name of %s", async (id) => {
    const answer = await server.ask("operator", "mutation ($input: CreateTenantInput!) { createTenant(input: $input) { tenant { id } } }", { input: { id, name: "Probe", tier: "FREE" } });
    expect(answer.errors[0]?.extensions["code"]).toBe("BAD_USER_INPUT");
  });

  test("its tenants are in no list of customers, and shown to an operator who asks by id", async () => {
    const answer = await server.ask("operator", '{ tenants(first: 50) { nodes { id } } tenant(id: "audit-probe-silo") { placement } }');
    const { tenants, tenant } = answer.data as unknown as { tenants: { nodes: { id: string }[] }; tenant: { placement: string } };
    expect(tenants.nodes.filter(({ id }) => id.startsWith("audit-probe-"))).toEqual([]);
    expect(tenant.placement).toBe("SILO");
  });

  test("its tenants cannot be erased, or no audit would ever pass again", async () => {
    const answer = await server.ask("operator", 'mutation { eraseTenant(input: { tenantId: "audit-probe-a" }) { tenant { id } } }');
    expect(answer.errors[0]?.extensions["code"]).toBe("CONFLICT");
  });
});
