/** The audit's way in: past the token and past nothing else, for its own tenants and nobody else. */
import { parse } from "graphql";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ProbeCaller } from "../../src/audit/probe-executor.js";
import { parseTenantId, parseUserId } from "../../src/kernel/ids.js";
import { startHarness, type Harness } from "./harness.js";

const caller = (tenant: string, roles: ProbeCaller["roles"] = ["admin", "member"]): ProbeCaller => ({ tenantId: parseTenantId(tenant), userId: parseUserId("prober"), roles });

describe("the door of the isolation audit", () => {
  let harness: Harness;

  beforeAll(async () => {
    harness = await startHarness();
    for (const id of ["acme", "audit-probe-a", "audit-probe-b"]) {
      harness.services.addTenant(id);
      harness.services.addDocument(id, `Plan of ${id}`);
    }
  });
  afterAll(() => harness.gateway.drain());

  test("lets a probe tenant in, to what is its own", async () => {
    const answer = await harness.gateway.probes.run(caller("audit-probe-a"), parse("{ documents { nodes { title } } }"), {});
    expect(answer.errors).toEqual([]);
    expect(answer.text).toContain("Plan of audit-probe-a");
    expect(answer.text).not.toContain("Plan of acme");
  });

  test.each(["run", "stream", "importWeights", "exportWeights"] as const)("lets no customer in by %s", async (way) => {
    const { probes } = harness.gateway;
    const as = caller("acme");
    const ways = {
      run: () => probes.run(as, parse("{ viewer { user } }"), {}),
      stream: () => probes.stream(as, parse('subscription { ingestion(documentId: "doc_1") { document { id } } }'), {}, 1, 100),
      importWeights: () => probes.importWeights(as, "name", Buffer.from("w")),
      exportWeights: () => probes.exportWeights(as, "adp_AAAAAAAAAAAAAAAAAAAA" as Parameters<typeof probes.exportWeights>[1]),
    };
    await expect(ways[way]()).rejects.toMatchObject({ code: "FORBIDDEN" });
  });

  test("keeps every rule of the schema: an operator's field is FORBIDDEN, a member is no admin", async () => {
    const operators = await harness.gateway.probes.run(caller("audit-probe-a"), parse("{ tenants { nodes { id } } }"), {});
    expect(operators.errors[0]?.code).toBe("FORBIDDEN");
    const members = await harness.gateway.probes.run(caller("audit-probe-a", ["member"]), parse('mutation { deleteDocument(input: { documentId: "doc_1" }) { documentId } }'), {});
    expect(members.errors[0]?.code).toBe("FORBIDDEN");
  });

  test("keeps the third wall: a row of another tenant is not shown, and alarmed", async () => {
    harness.services.walls = false;
    try {
      const answer = await harness.gateway.probes.run(caller("audit-probe-a"), parse("{ documents { nodes { title } } }"), {});
      expect(answer.text).not.toContain("Plan of acme");
      expect(harness.telemetry.alarms.map(({ name }) => name)).toContain("tenant_tag_mismatch");
    } finally {
      harness.services.walls = true;
    }
  });

  test("masks what was not meant for callers", async () => {
    const answer = await harness.gateway.probes.run(caller("audit-probe-a"), parse("query ($id: ID!) { document(id: $id) { id } }"), { id: "doc_AAAAAAAAAAAAAAAAAAAA" });
    expect(answer.errors).toEqual([{ message: "Document not found", path: ["document"], code: "NOT_FOUND" }]);
  });

  test("a stream that says nothing ends with its time", async () => {
    const { id } = harness.services.documents.find(({ tenantId }) => tenantId === "audit-probe-b") ?? { id: "" };
    const events = await harness.gateway.probes.stream(caller("audit-probe-b"), parse("subscription ($id: ID!) { ingestion(documentId: $id) { document { title } } }"), { id }, 10, 300);
    expect(events[0]?.text).toContain("Plan of audit-probe-b");
    expect(events).toHaveLength(2);
  });

  test.each([["an admin's token", () => harness.admin("audit-probe-a")], ["a member's token", () => harness.member("audit-probe-b")]])("opens for no token: %s of a probe tenant is of nobody", async (_name, token) => {
    const answer = await harness.query("{ viewer { user } }", { token: await token(), headers: { "x-tenant-id": "audit-probe-a", "x-probe": "true" } });
    expect(answer.status).toBe(401);
  });

  test("no header and no argument leads to it", async () => {
    const answer = await harness.query("{ documents { nodes { title } } }", { token: await harness.admin("acme"), headers: { "x-tenant-id": "audit-probe-a", "x-audit": "1", "x-probe-tenant": "audit-probe-a" }, variables: { tenantId: "audit-probe-a" } });
    expect(answer.text).toContain("Plan of acme");
    expect(answer.text).not.toContain("audit-probe");
  });
});
